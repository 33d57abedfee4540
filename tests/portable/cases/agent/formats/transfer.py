from agent.formats import transfer
from agent.formats.errors import FormatError

print(transfer.parse({}))
print(transfer.parse({"max_bytes_per_s": 2048, "max_bytes_per_month": 1 << 20, "full_downloads": "never"}))
for wrong in ({"max_bytes_per_s": 5}, {"max_bytes_per_month": 5}, {"full_downloads": "sometimes"}):
    try:
        transfer.parse(wrong)
    except FormatError as error:
        print(error)
