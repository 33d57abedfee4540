"""Writes the generated documents, or (`--check`) says which of them differ from what the code says."""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# document -> "module:function" returning its whole text
GENERATED = {
    "docs/generated/update-states.md": "agent.core.update:diagram",
    "docs/generated/compliance.md": "tests.tools.compliance_doc:document",
    "docs/generated/openapi.json": "update_server.api.schema:document",
    "docs/generated/openapi-device.json": "update_server.api.device_schema:document",
    "docs/schema/release-manifest.schema.json": "tests.tools.release_schema:document",
}


def render(source: str) -> str:
    """The text that a generator returns."""
    module, function = source.split(":")
    text = getattr(importlib.import_module(module), function)()
    if not isinstance(text, str) or not text.strip():
        raise SystemExit(f"{source} generated nothing")
    return text if text.endswith("\n") else text + "\n"


def main(argv: list[str]) -> int:
    """Write every document, or with `--check` return 1 if one is out of date."""
    stale = []
    for name, source in GENERATED.items():
        path, text = ROOT / name, render(source)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in argv:
            stale.append(name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print("wrote", name)
    for name in stale:
        print(f"{name} is out of date: run `make generate` and commit it")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
