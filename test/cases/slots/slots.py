"""Wrote slots.csv: python3 slots.py > slots.csv. Shares nothing with the schedule: zoneinfo for the clocks, and every minute is looked at.

One row per case: all slots after `from` and up to `to`, in UTC.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
CASES = """
Europe/Madrid        1h   00:00  2026-03-28T22:00  2026-03-29T06:00
Europe/Madrid        1h   00:30  2026-03-28T22:00  2026-03-29T06:00
Europe/Madrid        2h   00:00  2026-03-28T20:00  2026-03-29T10:00
Europe/Madrid        90m  00:00  2026-03-28T20:00  2026-03-29T10:00
Europe/Madrid        6h   02:00  2026-03-28T00:00  2026-03-30T00:00
Europe/Madrid        6h   20:00  2026-03-28T00:00  2026-03-30T00:00
Europe/Madrid        1d   00:00  2026-03-27T00:00  2026-04-01T00:00
Europe/Madrid        1d   02:30  2026-03-27T00:00  2026-04-01T00:00
Europe/Madrid        1h   00:00  2026-10-24T22:00  2026-10-25T06:00
Europe/Madrid        1h   00:30  2026-10-24T22:00  2026-10-25T06:00
Europe/Madrid        2h   00:00  2026-10-24T20:00  2026-10-25T10:00
Europe/Madrid        90m  00:00  2026-10-24T20:00  2026-10-25T10:00
Europe/Madrid        12h  02:30  2026-10-24T00:00  2026-10-27T00:00
Europe/Madrid        1d   00:00  2026-10-23T00:00  2026-10-28T00:00
Europe/Madrid        1d   02:30  2026-10-23T00:00  2026-10-28T00:00
Europe/Madrid        1d   23:59  2028-02-26T00:00  2028-03-03T00:00
Europe/Madrid        1mo  00:00  2025-11-15T00:00  2028-04-15T00:00
Europe/Madrid        1mo  06:00  2026-02-01T00:00  2026-05-15T00:00
Asia/Kolkata         1h   00:00  2026-11-22T00:00  2026-11-23T00:00
Asia/Kolkata         1h   00:30  2026-11-22T00:00  2026-11-22T06:00
Asia/Kolkata         8h   07:15  2026-11-22T00:00  2026-11-24T00:00
Asia/Kolkata         1mo  00:00  2026-11-22T00:00  2027-03-22T00:00
Asia/Kathmandu       1h   00:00  2026-11-22T00:00  2026-11-22T06:00
America/Santiago     1h   00:00  2026-09-06T00:00  2026-09-06T09:00
America/Santiago     1d   00:00  2026-09-04T00:00  2026-09-09T00:00
America/Santiago     1d   00:30  2026-09-04T00:00  2026-09-09T00:00
America/Santiago     12h  00:00  2026-09-04T00:00  2026-09-09T00:00
America/Santiago     1h   00:00  2026-04-05T00:00  2026-04-05T09:00
America/Santiago     1d   00:00  2026-04-03T00:00  2026-04-08T00:00
America/Santiago     1d   23:30  2026-04-03T00:00  2026-04-08T00:00
America/Havana       1mo  00:00  2012-01-15T00:00  2012-12-15T00:00
America/Havana       1d   00:00  2026-10-30T00:00  2026-11-03T00:00
America/St_Johns     1h   00:00  2006-10-29T00:00  2006-10-29T06:00
Australia/Lord_Howe  1h   00:00  2026-10-03T12:00  2026-10-03T19:00
Australia/Lord_Howe  1h   00:30  2026-10-03T12:00  2026-10-03T19:00
Australia/Lord_Howe  1d   02:15  2026-10-01T00:00  2026-10-06T00:00
Australia/Lord_Howe  1h   00:00  2026-04-04T12:00  2026-04-04T19:00
Australia/Lord_Howe  1h   00:45  2026-04-04T12:00  2026-04-04T19:00
Australia/Lord_Howe  1d   01:45  2026-04-02T00:00  2026-04-07T00:00
Antarctica/Troll     1h   00:00  2026-03-28T22:00  2026-03-29T06:00
Antarctica/Troll     1h   00:00  2026-10-24T22:00  2026-10-25T06:00
Antarctica/Troll     2h   01:00  2026-10-24T22:00  2026-10-25T06:00
Pacific/Apia         1h   00:00  2011-12-30T04:00  2011-12-30T16:00
Pacific/Apia         6h   00:00  2011-12-28T00:00  2012-01-02T00:00
Pacific/Apia         1d   00:00  2011-12-27T00:00  2012-01-03T00:00
Pacific/Apia         1d   13:00  2011-12-27T00:00  2012-01-03T00:00
Pacific/Kiritimati   1mo  00:00  1994-10-15T00:00  1995-03-15T00:00
Pacific/Kiritimati   1d   12:00  1994-12-28T00:00  1995-01-04T00:00
Pacific/Kwajalein    1d   00:00  1993-08-18T00:00  1993-08-25T00:00
UTC                  1d   00:00  2028-02-26T00:00  2028-03-02T12:00
UTC                  1h   00:15  2026-12-31T21:00  2027-01-01T03:00
"""


def clocks_show(every, at, first, last):
    """All clock times of the schedule from the day `first` to the day `last`."""
    shown = set()
    day = first
    while day <= last:
        start = datetime(day.year, day.month, day.day)
        if every == "1mo":
            if day.day == 1:
                shown.add(start + at)
        elif every == "1d":
            shown.add(start + at)
        else:
            number, unit = int(every[:-1]), every[-1]
            step = timedelta(hours=number) if unit == "h" else timedelta(minutes=number)
            moment = at
            while moment - step >= timedelta(0):
                moment -= step
            while moment < DAY:
                shown.add(start + moment)
                moment += step
        day += DAY
    return shown


def slots(zone, every, at, after, upto):
    """Walks through the minutes. A clock time is due when clocks come to it or past it; hourly ones whenever clocks show it."""
    hours, minutes = at.split(":")
    due = clocks_show(
        every,
        timedelta(hours=int(hours), minutes=int(minutes)),
        (after - 3 * DAY).date(),
        (upto + 3 * DAY).date(),
    )
    waiting = sorted(due)
    found = []
    moment = after - 2 * DAY
    while moment <= upto:
        local = moment.astimezone(zone).replace(tzinfo=None)
        is_slot = every == "1h" and local in due
        while waiting and waiting[0] <= local:
            waiting.pop(0)
            is_slot = True
        if is_slot and moment > after:
            found.append(moment)
        moment += MINUTE
    return found


print("zone,every,at,from,to,slots")
for line in CASES.strip().splitlines():
    name, every, at, after, upto = line.split()
    bounds = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (after, upto)]
    instants = " ".join(f"{slot:%Y-%m-%dT%H:%M}" for slot in slots(ZoneInfo(name), every, at, *bounds))
    print(",".join((name, every, at, after, upto, instants)))
