"""The command that looks at an installation."""

import sys
import time

from projections.commands.asking.options import EXIT_NOT_ALL, command, store_options
from projections.configuration.settings import language_option, segments_option
from replay.objects.naming import FilesPlace


@command("doctor", "levelbook doctor --store ledger.db")
@language_option
@segments_option
@store_options
def doctor(segments: FilesPlace | None, store: str, format_: str, lang: str) -> None:
    """Look at the installation of a ledger part by part, and say what to do about what is not as it should be.

    Store, clock, keys, policies, segments, views, who works on them, the last checks; disks, time zones, versions,
    compiled rules. Each by itself, also where the store is broken. Nothing is written, and records are not read: that
    is what 'verify' does.

    Exit status 1 where something fails, 0 otherwise, also where something is to be looked at.
    """
    from projections.doctor.examine import examine
    from projections.doctor.observations import FAIL
    from projections.doctor.telling import print_findings

    found = examine(store, segments, lambda: time.time_ns() // 1000)
    print_findings(found, lang, as_json=format_ == "json")
    if any(item.status == FAIL for item in found):
        sys.exit(EXIT_NOT_ALL)
