"""Functions of dates, times, timestamps and intervals.

Days and microseconds count from 2000-01-01; an interval is (months, days, microseconds).  Local
time of a timestamptz is that of the session's zone.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import numpy as np

from minidb.execution.kernels.registry import kernel, scalar
from minidb.execution.vector import Vec, either
from minidb.output import civil, zone_offset_s
from minidb.sqlstate import DatabaseError
from minidb.zones import zone_of

DAY_US = 86_400_000_000
EPOCH_DAYS = 10957        # 1970-01-01 to 2000-01-01
EPOCH_US = EPOCH_DAYS * DAY_US

Interval = tuple[int, int, int]


def days_from_civil(year: int, month: int, day: int) -> int:
    """The day number of a date of the proleptic Gregorian calendar."""
    y = year - (month <= 2)
    era = y // 400
    yoe = y - era * 400
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 730425


def month_days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def timestamp_plus(us: int, interval: Interval) -> int:
    """Add months (the day cut to the month's end), then days, then time."""
    months, days, rest = interval
    if months:
        day, time = divmod(us, DAY_US)
        year, month, dom = civil(day)
        total = year * 12 + month - 1 + months
        year, month = divmod(total, 12)
        month += 1
        us = days_from_civil(year, month, min(dom, month_days(year, month))) * DAY_US + time
    us += days * DAY_US + rest
    if not -(2**63) < us < 2**63 - 1:
        raise DatabaseError("22008", "timestamp out of range")
    return us


def negative(interval: Interval) -> Interval:
    return -interval[0], -interval[1], -interval[2]


# -- arithmetic: the common cases by numpy


@kernel("+", "date int4")
def _date_plus(a: Vec, b: Vec) -> Vec:
    return Vec((a.data.astype(np.int64) + b.data).astype("i"), either(a.nulls, b.nulls))


@kernel("+", "int4 date")
def _plus_date(a: Vec, b: Vec) -> Vec:
    return _date_plus(b, a)


@kernel("-", "date int4")
def _date_minus(a: Vec, b: Vec) -> Vec:
    return Vec((a.data.astype(np.int64) - b.data).astype("i"), either(a.nulls, b.nulls))


@kernel("-", "date date")
def _date_difference(a: Vec, b: Vec) -> Vec:
    return Vec(a.data - b.data, either(a.nulls, b.nulls))


for _t in ("timestamp", "timestamptz"):
    scalar("+", types=f"{_t} interval")(timestamp_plus)
    scalar("+", types=f"interval {_t}")(lambda i, t: timestamp_plus(t, i))
    scalar("-", types=f"{_t} interval")(lambda t, i: timestamp_plus(t, negative(i)))
    scalar("-", types=f"{_t} {_t}")(lambda a, b: _days_and_time(a - b))

scalar("+", types="date interval")(lambda d, i: timestamp_plus(d * DAY_US, i))
scalar("+", types="interval date")(lambda i, d: timestamp_plus(d * DAY_US, i))
scalar("-", types="date interval")(lambda d, i: timestamp_plus(d * DAY_US, negative(i)))
scalar("+", types="date time")(lambda d, t: d * DAY_US + t)
scalar("+", types="time date")(lambda t, d: d * DAY_US + t)
scalar("+", types="interval interval")(lambda a, b: (a[0] + b[0], a[1] + b[1], a[2] + b[2]))
scalar("-", types="interval interval")(lambda a, b: (a[0] - b[0], a[1] - b[1], a[2] - b[2]))
scalar("-", types="interval")(negative)
scalar("+", types="time interval")(lambda t, i: (t + i[2]) % DAY_US)
scalar("+", types="interval time")(lambda i, t: (t + i[2]) % DAY_US)
scalar("-", types="time interval")(lambda t, i: (t - i[2]) % DAY_US)
scalar("-", types="time time")(lambda a, b: (0, 0, a - b))


def _days_and_time(us: int) -> Interval:
    days = int(us / DAY_US) if abs(us) < 2**52 else (abs(us) // DAY_US) * (1 if us > 0 else -1)
    return 0, days, us - days * DAY_US


@scalar("*", types="interval float8")
def interval_times(i: Interval, factor: float) -> Interval:
    months = i[0] * factor
    days = i[1] * factor
    whole_months = int(months)
    days += (months - whole_months) * 30
    whole_days = int(days)
    return whole_months, whole_days, round(i[2] * factor + (days - whole_days) * DAY_US)


scalar("*", types="float8 interval")(lambda f, i: interval_times(i, f))


@scalar("/", types="interval float8")
def interval_over(i: Interval, divisor: float) -> Interval:
    if divisor == 0:
        raise DatabaseError("22012", "division by zero")
    return interval_times(i, 1 / divisor)


# -- now


def _now(context: Any) -> int:
    return context.connection.now_us


def _local(context: Any, us: int) -> int:
    zone = context.connection.output.zone
    return us if zone is None else us + zone_offset_s(us, zone) * 1_000_000


def _utc(us: int, zone: Any) -> int:
    """The instant at which a zone's clocks show `us`."""
    if zone is None:
        return us
    guess = us - zone_offset_s(us, zone) * 1_000_000
    return us - zone_offset_s(guess, zone) * 1_000_000


scalar("now", "transaction_timestamp", "current_timestamp", context=True)(_now)
scalar("statement_timestamp", context=True)(_now)
scalar("clock_timestamp", context=True, volatile=True)(
    lambda context: context.connection.engine.now_us())
scalar("timeofday", context=True)(lambda context: str(context.connection.engine.now_us()))
scalar("current_date", context=True)(lambda context: _local(context, _now(context)) // DAY_US)
scalar("localtimestamp", context=True)(lambda context: _local(context, _now(context)))
scalar("localtime", context=True)(lambda context: _local(context, _now(context)) % DAY_US)
scalar("current_time", context=True)(
    lambda context: (_local(context, _now(context)) % DAY_US, _offset_west(context)))


def _offset_west(context: Any) -> int:
    zone = context.connection.output.zone
    return 0 if zone is None else -zone_offset_s(_now(context), zone)


@scalar("timezone", types="text timestamptz")
def to_local(name: str, us: int) -> int:
    zone = zone_of(name)
    return us if zone is None else us + zone_offset_s(us, zone) * 1_000_000


@scalar("timezone", types="text timestamp")
def to_utc(name: str, us: int) -> int:
    return _utc(us, zone_of(name))


# -- fields


def _clock(us: int) -> dict[str, Any]:
    seconds = Decimal(us % 60_000_000) / 1_000_000
    return {
        "hour": us // 3_600_000_000, "minute": us // 60_000_000 % 60,
        "second": seconds.quantize(Decimal("0.000001")),
        "millisecond": (Decimal(us % 60_000_000) / 1000).quantize(Decimal("0.001")),
        "microsecond": us % 60_000_000,
    }  # fmt: skip


def _calendar(day: int) -> dict[str, Any]:
    year, month, dom = civil(day)
    weekday = (day + 6) % 7                    # 2000-01-01 was a Saturday; Sunday = 0
    thursday = day - (weekday + 6) % 7 + 3
    iso_year = civil(thursday)[0]
    return {
        "year": year if year > 0 else year - 1, "month": month, "day": dom, "dow": weekday,
        "isodow": weekday or 7, "doy": day - days_from_civil(year, 1, 1) + 1,
        "quarter": (month + 2) // 3, "isoyear": iso_year,
        "week": (thursday - days_from_civil(iso_year, 1, 1)) // 7 + 1,
        "decade": year // 10, "century": (year + 99) // 100, "millennium": (year + 999) // 1000,
        "julian": day + 2451545,
    }  # fmt: skip


_UNITS = {
    "years": "year", "y": "year", "yr": "year", "months": "month", "mon": "month", "mons": "month",
    "days": "day", "d": "day", "hours": "hour", "h": "hour", "minutes": "minute", "m": "minute",
    "min": "minute", "mins": "minute", "seconds": "second", "s": "second", "sec": "second",
    "secs": "second", "milliseconds": "millisecond", "ms": "millisecond", "msec": "millisecond",
    "microseconds": "microsecond", "us": "microsecond", "usec": "microsecond", "weeks": "week",
    "w": "week", "qtr": "quarter", "centuries": "century", "decades": "decade",
    "millennia": "millennium",
}  # fmt: skip


def _unit(name: str) -> str:
    name = name.lower()
    return _UNITS.get(name, name)


def _unknown(field: str, type_: str) -> DatabaseError:
    return DatabaseError("22023", f'unit "{field}" not recognized for type {type_}')


def timestamp_field(field: str, us: int) -> Any:
    unit = _unit(field)
    if unit == "epoch":
        return (Decimal(us + EPOCH_US) / 1_000_000).quantize(Decimal("0.000001"))
    day, time = divmod(us, DAY_US)
    value = _clock(time).get(unit)
    if value is None:
        value = _calendar(day).get(unit)
    if value is None:
        raise _unknown(field, "timestamp without time zone")
    return Decimal(value)


@scalar("extract", "date_part", types="text timestamp")
def extract_timestamp(field: str, us: int) -> Any:
    return timestamp_field(field, us)


@scalar("extract", types="text timestamptz", context=True)
def extract_timestamptz(context: Any, field: str, us: int) -> Any:
    unit = _unit(field)
    if unit == "epoch":
        return timestamp_field(field, us)
    if unit.startswith("timezone"):
        zone = context.connection.output.zone
        offset = 0 if zone is None else zone_offset_s(us, zone)
        return Decimal({"timezone": offset, "timezone_hour": offset // 3600,
                        "timezone_minute": offset // 60 % 60}[unit])
    return timestamp_field(field, _local(context, us))


@scalar("extract", "date_part", types="text date")
def extract_date(field: str, day: int) -> Any:
    if _unit(field) in ("hour", "minute", "second", "millisecond", "microsecond"):
        raise _unknown(field, "date")
    value = timestamp_field(field, day * DAY_US)
    return value.quantize(Decimal(1)) if _unit(field) == "epoch" else value


@scalar("extract", "date_part", types="text time")
def extract_time(field: str, us: int) -> Any:
    unit = _unit(field)
    if unit == "epoch":
        return Decimal(us) / 1_000_000
    value = _clock(us).get(unit)
    if value is None:
        raise _unknown(field, "time without time zone")
    return Decimal(value)


@scalar("extract", "date_part", types="text interval")
def extract_interval(field: str, value: Interval) -> Any:
    months, days, us = value
    unit = _unit(field)
    years = int(months / 12)
    if unit == "epoch":
        seconds = years * 31_557_600 + (months - years * 12) * 2_592_000 + days * 86_400
        return (Decimal(seconds) + Decimal(us) / 1_000_000).quantize(Decimal("0.000001"))
    sign = -1 if us < 0 else 1
    parts: dict[str, Any] = {k: sign * v for k, v in _clock(abs(us)).items()}
    parts.update(year=years, month=months - years * 12, day=days,
                 quarter=(months - years * 12) // 3 + 1, decade=years // 10, century=years // 100)
    if unit not in parts:
        raise _unknown(field, "interval")
    return Decimal(parts[unit])


for _t in ("timestamp", "date", "time", "interval"):
    _of = {"timestamp": extract_timestamp, "date": extract_date, "time": extract_time,
           "interval": extract_interval}[_t]
    scalar("date_part", types=f"text {_t}")(lambda field, v, of=_of: float(of(field, v)))
scalar("date_part", types="text timestamptz", context=True)(
    lambda context, field, v: float(extract_timestamptz(context, field, v)))

_TRUNCATED_TIME = {"hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000,
                   "millisecond": 1000, "microsecond": 1}
_TRUNCATED_YEARS = {"year": 1, "decade": 10, "century": 100, "millennium": 1000}


@scalar("date_trunc", types="text timestamp")
def date_trunc(field: str, us: int) -> int:
    unit = _unit(field)
    if unit in _TRUNCATED_TIME:
        return us - us % _TRUNCATED_TIME[unit]
    day = us // DAY_US
    year, month, _ = civil(day)
    if unit == "day":
        return day * DAY_US
    if unit == "week":
        return (day - (day + 5) % 7) * DAY_US
    if unit == "month":
        return days_from_civil(year, month, 1) * DAY_US
    if unit == "quarter":
        return days_from_civil(year, (month - 1) // 3 * 3 + 1, 1) * DAY_US
    if unit in _TRUNCATED_YEARS:
        step = _TRUNCATED_YEARS[unit]
        first = year - year % step if step <= 10 else (year - 1) // step * step + 1
        return days_from_civil(first, 1, 1) * DAY_US
    raise _unknown(field, "timestamp without time zone")


@scalar("date_trunc", types="text timestamptz", context=True)
def date_trunc_tz(context: Any, field: str, us: int) -> int:
    return _utc(date_trunc(field, _local(context, us)), context.connection.output.zone)


@scalar("date_trunc", types="text interval")
def date_trunc_interval(field: str, value: Interval) -> Interval:
    unit = _unit(field)
    months, days, us = value
    if unit in _TRUNCATED_TIME:
        step = _TRUNCATED_TIME[unit]
        return months, days, int(us / step) * step
    if unit == "day":
        return months, days, 0
    if unit == "month":
        return months, 0, 0
    if unit in _TRUNCATED_YEARS:
        step = 12 * _TRUNCATED_YEARS[unit]
        return int(months / step) * step, 0, 0
    raise _unknown(field, "interval")


@scalar("age", types="timestamp timestamp")
@scalar("age", types="timestamptz timestamptz")
def age(a: int, b: int) -> Interval:
    """The difference in years, months, days and time, as people count it."""
    if a < b:
        return negative(age(b, a))
    day_a, time_a = divmod(a, DAY_US)
    day_b, time_b = divmod(b, DAY_US)
    ya, ma, da = civil(day_a)
    yb, mb, db = civil(day_b)
    months = (ya - yb) * 12 + ma - mb
    days = da - db
    time = time_a - time_b
    if time < 0:
        time += DAY_US
        days -= 1
    if days < 0:
        days += month_days(yb, mb)
        months -= 1
    return months, days, time


@scalar("age", types="timestamp", context=True)
@scalar("age", types="timestamptz", context=True)
def age_now(context: Any, us: int) -> Interval:
    today = _local(context, _now(context)) // DAY_US * DAY_US
    return age(today, us)


@scalar("make_date")
def make_date(year: int, month: int, day: int) -> int:
    if not (1 <= month <= 12 and 1 <= day <= month_days(year, month) and year):
        raise DatabaseError("22008", f"date field value out of range: {year}-{month:02}-{day:02}")
    return days_from_civil(year, month, day)


@scalar("make_time")
def make_time(hour: int, minute: int, second: float) -> int:
    return hour * 3_600_000_000 + minute * 60_000_000 + round(second * 1_000_000)


@scalar("make_timestamp")
def make_timestamp(year: int, month: int, day: int, hour: int, minute: int, second: float) -> int:
    return make_date(year, month, day) * DAY_US + make_time(hour, minute, second)


@scalar("make_interval")
def make_interval(years: int = 0, months: int = 0, weeks: int = 0, days: int = 0, hours: int = 0,
                  mins: int = 0, secs: float = 0) -> Interval:
    return years * 12 + months, weeks * 7 + days, make_time(hours, mins, secs)


@scalar("to_timestamp", types="float8")
def to_timestamp(seconds: float) -> int:
    return round(seconds * 1_000_000) - EPOCH_US


@scalar("justify_days")
def justify_days(i: Interval) -> Interval:
    more = int(i[1] / 30)
    return i[0] + more, i[1] - more * 30, i[2]


@scalar("justify_hours")
def justify_hours(i: Interval) -> Interval:
    more = int(i[2] / DAY_US)
    return i[0], i[1] + more, i[2] - more * DAY_US


scalar("justify_interval")(lambda i: justify_days(justify_hours(i)))
scalar("isfinite", types="date")(lambda d: d not in (0x7FFFFFFF, -0x80000000))
scalar("isfinite", types="timestamp")(lambda t: abs(t) < 2**63 - 1)
scalar("isfinite", types="timestamptz")(lambda t: abs(t) < 2**63 - 1)

_MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
]  # fmt: skip
_DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
_TEMPLATE = re.compile(
    r'"[^"]*"|YYYY|YYY|YY|HH24|HH12|HH|MI|SSSS|SS|MS|US|AM|PM|am|pm|MONTH|Month|month|MON|Mon|mon|MM|'
    r"DAY|Day|day|DY|Dy|dy|DDD|DD|D|Q|WW|IW|CC|J|FM|TH|th")


def _to_char(us: int, template: str) -> str:
    day, time = divmod(us, DAY_US)
    year, month, dom = civil(day)
    weekday = (day + 6) % 7
    hour = time // 3_600_000_000
    minute = time // 60_000_000 % 60
    second = time // 1_000_000 % 60
    calendar = _calendar(day)
    table = {
        "YYYY": f"{year:04d}", "YYY": f"{year % 1000:03d}", "YY": f"{year % 100:02d}",
        "MM": f"{month:02d}", "DD": f"{dom:02d}", "DDD": f"{calendar['doy']:03d}",
        "D": str(weekday + 1), "HH24": f"{hour:02d}", "HH12": f"{(hour + 11) % 12 + 1:02d}",
        "HH": f"{(hour + 11) % 12 + 1:02d}", "MI": f"{minute:02d}", "SS": f"{second:02d}",
        "MS": f"{time // 1000 % 1000:03d}", "US": f"{time % 1_000_000:06d}",
        "SSSS": str(time // 1_000_000), "Q": str((month + 2) // 3),
        "WW": f"{(calendar['doy'] - 1) // 7 + 1:02d}", "IW": f"{calendar['week']:02d}",
        "CC": f"{(year + 99) // 100:02d}", "J": str(calendar["julian"]),
        "Month": f"{_MONTHS[month - 1]:9}", "Mon": _MONTHS[month - 1][:3],
        "Day": f"{_DAYS[weekday]:9}", "Dy": _DAYS[weekday][:3],
        "AM": "AM" if hour < 12 else "PM", "am": "am" if hour < 12 else "pm",
    }  # fmt: skip
    for word in ("Month", "Mon", "Day", "Dy"):
        table[word.upper()] = table[word].upper()
        table[word.lower()] = table[word].lower()
    table["PM"], table["pm"] = table["AM"], table["am"]
    fill = True

    def put(match: re.Match) -> str:
        nonlocal fill
        word = match[0]
        if word == "FM":
            fill = False
            return ""
        if word[0] == '"':
            return word[1:-1]
        text = table.get(word, "")
        if not fill:
            text = text.rstrip() if not text.isdigit() else text.lstrip("0") or "0"
            fill = True
        return text

    return _TEMPLATE.sub(put, template)


scalar("to_char", types="timestamp text")(_to_char)
scalar("to_char", types="date text")(lambda d, template: _to_char(d * DAY_US, template))


@scalar("to_char", types="timestamptz text", context=True)
def to_char_tz(context: Any, us: int, template: str) -> str:
    return _to_char(_local(context, us), template)
