from agent.core import timezone
from agent.formats import utc
from agent.formats.errors import FormatError

for text in ("JST-9", "CET-1CEST,M3.5.0,M10.5.0/3", "IST-1GMT0,M10.5.0,M3.5.0/1", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
             "AAA-3:30BBB,59/1:30,J300/22", "EST5EDT,0/0,J365/25"):  # fmt: skip
    zone = timezone.parse(text)
    print(zone)
    for month in range(1, 13):
        at = utc.parse(f"2028-{month:02}-29T01:00:00Z")
        print(timezone.render(zone, at), timezone.offset_s(zone, at), timezone.moments(zone, at))
for text in ("", "JST", "JST-25", "JST-9X", "Asia/Tokyo", "CET-1CEST", "CET-1CEST,M13.5.0,M10.5.0", "<+9-9", "J" * 65):
    try:
        print(timezone.parse(text))
    except FormatError as error:
        print(error)
