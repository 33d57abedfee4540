from agent.formats.errors import CamwardError, FormatError, Rejected, Unavailable

for kind in (CamwardError, Rejected, Unavailable, FormatError):
    error = kind("why")
    print(error.code, error.detail, str(error), str(kind()))
print(len(FormatError("x" * 3000).detail))
try:
    raise FormatError("x")
except Rejected as error:
    print("rejected", error)
