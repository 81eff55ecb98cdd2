"""The time zone of this machine, with its summer time. Part of the edge."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, tzinfo

__all__ = ["HostZone"]


class HostZone(tzinfo):
    """The zone that the C library has. Python has no object for it: `astimezone()` gives a fixed offset."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(seconds=self._local(moment).tm_gmtoff)

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=max(0, self._local(moment).tm_isdst))

    def tzname(self, moment: datetime | None) -> str:
        return self._local(moment).tm_zone

    def _local(self, moment: datetime | None) -> time.struct_time:
        if moment is None:
            return time.localtime()
        plain = moment.replace(tzinfo=None)
        return time.localtime(time.mktime((*plain.timetuple()[:8], -1)))
