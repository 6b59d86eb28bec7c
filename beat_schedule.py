"""The schedule: what runs when, and where. Edit this file, then `lumen schedule` checks and shows it.

Each entry names a tick or a pipeline (`run`) and says when: `every_s` (seconds) or `cron` (minute hour day month
weekday, in the configured zone). `regions` is "all" or a list of region names. `spread_s` lets the regions of a cron
entry begin up to so many seconds after it, each at its own moment. Every region has its own beat; an entry that is sent
twice in one slot runs once, and one whose beat is dead is put back by the reconciler.
"""

SCHEDULE = {
    "sample": {"run": "sample", "every_s": 5, "regions": "all"},
    "effects": {"run": "effects", "every_s": 5, "regions": "all"},
    "experiments": {"run": "experiments", "every_s": 5, "regions": "all"},
    "gateway": {"run": "gateway", "every_s": 5, "regions": "all"},
    "tune": {"run": "tune", "every_s": 120, "regions": "all"},
    "rhythm": {"run": "rhythm", "every_s": 5, "regions": "all"},
    "deliver": {"run": "deliver", "every_s": 5, "regions": "all"},
    "trust": {"run": "trust", "every_s": 3600, "regions": "all"},
    "reconcile": {"run": "reconcile", "every_s": 5, "regions": "all"},
    "daily": {"run": "daily", "cron": "5 9 * * *", "regions": "all", "spread_s": 300},
}
