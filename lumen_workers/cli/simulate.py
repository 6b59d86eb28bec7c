"""`lumen simulate`: what tuning would have done to a loop with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lumen_workers.cli.output import Json, echo_json, progress, table


def register(root: typer.Typer) -> None:
    """`lumen simulate`."""

    @root.command()
    def simulate(
        days: Annotated[int, typer.Option("--days", "-d", min=1, max=366, help="Simulated days.")] = 30,
        policy: Annotated[
            list[str] | None,
            typer.Option("--policy", "-p", help="hold, heuristic, tuned or bandit; all, unless given."),
        ] = None,
        loop: Annotated[str, typer.Option("--loop", "-l", help="The loop whose rules and rate are taken.")] = "demo",
        seed: Annotated[int, typer.Option("--seed", min=0, help="Of the noise and of every choice.")] = 1,
        every_s: Annotated[
            float, typer.Option("--every-s", min=60, max=86_400, help="Seconds between two looks of a policy.")
        ] = 1800,
        wave: Annotated[float, typer.Option("--wave", min=0, max=0.2, help="Daily swing of every signal.")] = 0.01,
        reports: Annotated[
            Path | None, typer.Option("--reports", help="Write the simulated days' reports into this folder.")
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Simulate a loop under several policies, days in seconds, and compare them by what is true."""
        from lumen_workers import config
        from lumen_workers.domain.errors import UsageError
        from lumen_workers.local.compare import POLICIES, Study, compare

        settings = config.load()
        chosen = tuple(dict.fromkeys(policy or POLICIES))
        if unknown := [name for name in chosen if name not in POLICIES]:
            raise UsageError(f"unknown policy {unknown[0]!r}; there are {', '.join(POLICIES)}")
        spec = settings.loop(loop)
        tuning = settings.tuning.options()
        if missing := [rule for rule in ("creative_min", "risk_max") if rule not in spec.rules]:
            raise UsageError(f"loop {loop} has no rule {missing[0]}, whose effect the simulated plant knows")
        study = Study(
            spec=spec,
            tuning=tuning,
            priors=settings.bayes.options(),
            days=days,
            seed=seed,
            every_s=every_s,
            wave=wave,
            reports=reports,
            locale=settings.locale,
            policies=chosen,
        )
        found = compare(study, progress)
        if as_json:
            echo_json({"days": days, "seed": seed, "every_s": every_s, "wave": wave, "policies": found})
            return
        table(
            ("policy", "regret", "outside targets", "changes", "rollbacks", "experiments", "rules at the end", "took"),
            (
                (
                    row["policy"],
                    f"{row['regret']:.4f}",
                    f"{row['outside']:.1%}",
                    row["changes"],
                    row["rollbacks"],
                    row["experiments"],
                    ", ".join(f"{rule} {value:g}" for rule, value in row["rules"].items()),
                    f"{row['seconds']:.1f} s",
                )
                for row in found
            ),
            "",
        )
        best = ", ".join(f"{rule} {value:g}" for rule, value in found[0]["best_rules"].items())
        typer.echo(f"\nregret: mean reward lost a tick against the best fixed rules ({best}); seed {seed}")
        if reports is not None:
            typer.echo(f"reports: {reports}")
