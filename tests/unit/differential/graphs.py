"""Delegation graphs: who speaks for which paths.

Chains, diamonds, circles; terminating edges; path patterns, hash prefixes, hash bins.
"""

import hashlib
from typing import Any

from tests.unit.differential.changes import pick
from tests.unit.differential.model import Bins, Edge, Model, Node, described

NAMES = ("a", "b", "c", "ü/1", "../d", "e.f", "rootlike", "a b?")
"""Roles may be called anything but what the top roles are called."""
PATHS = ("x", "a/x", "a/y.bin", "b/x", "a/b/c", "d-3", "ü/名", "[x]", "a/*", "/")
PATTERNS = (
    "*",
    "*/*",
    "a/*",
    "x",
    "a/?.bin",
    "[ab]/*",
    "[!a]/x",
    "[a-c]/*",
    "[c-a]/*",
    "d-[0-9]",
    "[]-[]x]",
    "[x",
    "[[]x]",
    "*/*/*",
    "a/b/c",
    "ü/?",
    "*.bin",
    "",
    "a/[*]",
    "?",
    "**",
    "[!]a]",
    "A/*",
)
BIN_BITS = (1, 2, 4, 5, 8, 10, 16, 31, 32)


def draw(model: Model, edges: list[tuple[int, int, int, int]], bins: tuple[int, int], rng: list[int]) -> None:
    """Add delegations to a model.

    Args:
        model: whose top role delegates nothing yet.
        edges: (parent, child, pattern, how) by number; parent 0 is the top role.
        bins: which role delegates to hash bins instead, and to how many; 0 is none.
        rng: by number, which role lists which path.
    """
    for parent, child, pattern, how in edges:
        name = pick(NAMES, child)
        parent_name = "targets" if parent == 0 else pick(NAMES, parent - 1)
        for missing in {name, parent_name} - {"targets"} - set(model.delegated):
            model.delegated[missing] = Node(signers=[])
        delegator = model.node(parent_name)
        if all(edge.name != name for edge in delegator.edges):
            delegator.edges.append(_edge(model, name, pattern, how))
    if bins[0] and model.delegated:
        _bins(model, pick(["targets", *model.delegated], bins[0]), bins[1])
    nodes = list(model.nodes().values())
    for number in rng:
        path = pick(PATHS, number)
        pick(nodes, number // len(PATHS)).targets[path] = described(path + str(number))
    model.publish()


def _edge(model: Model, name: str, pattern: int, how: int) -> Edge:
    first = how // 8 % model.key_count
    keys = [first, (first + 1) % model.key_count][: 1 + how // 4 % 2]
    node = model.delegated[name]
    node.signers += [key for key in keys if key not in node.signers]
    edge = Edge(name, keys, threshold=len(keys), terminating=how % 2 == 1)
    if how // 2 % 2:
        digest = hashlib.sha256(pick(PATHS, pattern).encode()).hexdigest()
        edge.prefixes = [digest[: pattern // len(PATHS) % 4], "fff"]
    else:
        edge.paths = [pick(PATTERNS, pattern), pick(PATTERNS, pattern // len(PATTERNS))]
    return edge


def _bins(model: Model, parent: str, number: int) -> None:
    """Hash bins below one role, in place of its other delegations; those that our paths fall into exist."""
    bits = pick(BIN_BITS, number)
    made = Bins(pick(("bin", "ü", "a"), number), bits, [number % model.key_count])
    delegator = model.node(parent)
    delegator.edges, delegator.bins = [], made
    for path in PATHS:
        index = int(hashlib.sha256(path.encode()).hexdigest()[:8], 16) >> (32 - bits)
        width = len(f"{2**bits - 1:x}")
        name = f"{made.prefix}-{index:0{width}x}"
        node = model.delegated.setdefault(name, Node(signers=[]))
        node.signers = [*made.keys]
        if index % 2:
            node.targets[path] = described("in a bin: " + path)


def shape(model: Model) -> dict[str, Any]:
    """What a graph has, for the tally: edges by kind."""
    edges = [edge for node in model.nodes().values() for edge in node.edges]
    children = [edge.name for edge in edges]
    return {
        "edges": len(edges),
        "terminating": sum(edge.terminating for edge in edges),
        "prefixes": sum(edge.prefixes is not None for edge in edges),
        "diamonds": len(children) - len(set(children)),
        "bins": sum(node.bins is not None for node in model.nodes().values()),
    }
