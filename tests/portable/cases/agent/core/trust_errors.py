from agent.core import trust_errors
from agent.formats.errors import Rejected

for name in sorted(dir(trust_errors)):
    kind = getattr(trust_errors, name)
    if isinstance(kind, type) and issubclass(kind, Rejected):
        print(name, kind.code, str(kind("why")), issubclass(kind, trust_errors.TrustError))
