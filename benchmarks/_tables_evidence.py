"""The tables of what makes evidence; ``_tables.py`` puts them into the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from _markdown import prose, table


def log(found: Mapping[str, Any]) -> str:
    """The transparency log: proofs, appends, the audit, hashing."""
    appends, hashing = found["appends"], found["hashing"]
    logs = found["proofs"]

    def ms(name: str) -> list[str]:
        return [f"{one[name]['median']:.2f} ms ({one[name]['p95']:.2f} ms)" for one in logs]

    rows = [
        ("an inclusion proof, from files", *ms("inclusion_proof_ms")),
        ("the same where one tree is kept for many", *ms("inclusion_proof_of_a_kept_tree_ms")),
        ("a consistency proof, from files", *ms("consistency_proof_ms")),
        ("rebuilding the tree instead", *(f"{one['rebuild_s']:.2f} s" for one in logs)),
        ("times faster, from files", *(f"{one['times_faster_than_rebuilding']:,}" for one in logs)),
        ("times faster, from a kept tree", *(f"{one['times_faster_from_a_kept_tree']:,}" for one in logs)),
        ("`lumen log audit`, entries a second", *(f"{one['audit_entries_per_s']:,}" for one in logs)),
        ("the log's files", *(f"{one['files_mib']:.0f} MiB" for one in logs)),
    ]
    head = ("median (95 %)", *(f"{one['entries']:,} entries" for one in logs))
    about = (
        f"{appends['entries']:,} entries, appended in batches of {appends['batch']}, each durable and under a signed "
        f"checkpoint: **{appends['append_entries_per_s']:,} entries a second**, {appends['append_batch_ms']:.0f} ms a "
        f"batch. One entry by itself, from the queue to the checkpoint: "
        f"{appends['owe_and_append_one_ms']['median']:.0f} ms."
    )
    if hashing is not None:
        about += (
            f" A file of {hashing['mib']:,} MiB is hashed in {hashing['ours_s']:.1f} s, by `sha256sum` in "
            f"{hashing['sha256sum_s']:.1f} s."
        )
    return f"{table(head, rows)}\n\n{prose(about)}"


EVIDENCE: Mapping[str, Callable[[Mapping[str, Any]], str]] = {"log": log}
