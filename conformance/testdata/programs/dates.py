"""Dates with zones: daylight saving gaps and folds, arithmetic, formats, calendars."""
import calendar
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

berlin, new_york, kolkata = map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Asia/Kolkata"))
meeting = datetime(2025, 3, 28, 9, 30, tzinfo=new_york)
for zone in (UTC, berlin, kolkata):
    print(meeting.astimezone(zone).isoformat(), meeting.astimezone(zone).tzname())

# The clocks go forward on 30 March 2025: wall time and elapsed time differ.
before = datetime(2025, 3, 29, 12, tzinfo=berlin)
after = before + timedelta(days=1)
print(after, after.utcoffset(), after - before, after.astimezone(UTC) - before.astimezone(UTC))
gap = datetime(2025, 3, 30, 2, 30, tzinfo=berlin)
print(gap.astimezone(UTC).astimezone(berlin), gap.replace(fold=1).utcoffset())
# They go back on 26 October: 02:30 comes twice.
for fold in (0, 1):
    twice = datetime(2025, 10, 26, 2, 30, tzinfo=berlin, fold=fold)
    print(fold, twice.isoformat(), twice.dst(), twice.timestamp())

print(datetime.fromisoformat("2024-02-29T23:59:59.999999+05:30").astimezone(UTC))
print(datetime.strptime("31 Dec 2024 11:59 PM", "%d %b %Y %I:%M %p") + timedelta(minutes=2))
print(meeting.strftime("%A, %d %B %Y, %H:%M %Z (%z), week %V, day %j"), f"{meeting:%y/%m/%d}")
print(date(2024, 2, 29) + timedelta(days=365), (date(2025, 12, 25) - date(2025, 3, 28)).days, date.fromisocalendar(2025, 1, 1))
print(date(2025, 3, 28).isocalendar(), date(2025, 3, 28).weekday(), date.max, datetime.min.isoformat(), time(23, 5, tzinfo=UTC))
print(timedelta(days=-1, hours=5), timedelta(hours=36.5) / 2, timedelta(days=7) // timedelta(hours=5), abs(timedelta(seconds=-90)), timedelta.resolution)
print(datetime.fromtimestamp(1_700_000_000, UTC), datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=-3.5))).timestamp())
for attempt in (lambda: date(2025, 2, 29), lambda: ZoneInfo("Mars/Olympus"), lambda: datetime.strptime("x", "%Y"), lambda: meeting < datetime(2025, 1, 1)):
    try:
        attempt()
    except (ValueError, ZoneInfoNotFoundError, TypeError) as error:
        print(type(error).__name__, error)
print(calendar.month(2025, 2).rstrip())
print(calendar.monthrange(2024, 2), calendar.isleap(1900), [d.day for d in calendar.Calendar().itermonthdates(2025, 3)][:7])
fridays = [d for m in range(1, 13) if (d := date(2026, m, 13)).weekday() == calendar.FRIDAY]
print(*fridays)
print(sorted([meeting, meeting.astimezone(UTC), meeting - timedelta(microseconds=1)])[0].isoformat(timespec="milliseconds"))
