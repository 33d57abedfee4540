from agent.formats.errors import CamwardError, CutOff, FormatError, Rejected, Unavailable

for kind in (CamwardError, Rejected, Unavailable, FormatError):
    error = kind("why")
    print(error.code, error.detail, str(error), str(kind()))
print(len(FormatError("x" * 3000).detail))
try:
    raise FormatError("x")
except Rejected as error:
    print("rejected", error)
cut = CutOff("the answer was cut off", 100)
print(cut.code, str(cut), cut.received_bytes, isinstance(cut, Unavailable))
