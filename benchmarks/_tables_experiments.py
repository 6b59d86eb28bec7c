"""Tables of the experiments' benchmarks, one function each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from _markdown import prose, table


def bandit(found: Mapping[str, Any]) -> str:
    """Regret by policy, when it stops, and the value of an arm by estimator."""
    policies = {
        "uniform": "every arm as often",
        "plain": "plain Thompson sampling that knows the noise",
        "bare": "ours without floor and fading memory",
        "fading": "ours without floor",
        "shipped": "ours as shipped",
    }
    kinds = [(kind, rounds) for kind in ("still", "switching") for rounds in ("100", "500")]
    lost = [
        (
            text,
            *(
                f"{found['regret'][kind][rounds][name]['mean']:.1f} ± {found['regret'][kind][rounds][name]['half']:.1f}"
                for kind, rounds in kinds
            ),
        )
        for name, text in policies.items()
    ]
    methods = {
        "mean": "mean of its rounds",
        "ips": "inverse propensities",
        "snips": "the same, self-normalised",
        "dr": "doubly robust",
        "lumen": "**ours**",
    }
    values = [
        (
            log if name == "mean" else "",
            text,
            f"{one['coverage']:.1%}",
            f"{one['worst']:.1%}",
            f"{one['bias']:+.3f}",
            f"{one['rmse']:.2f}",
        )
        for log, kind in found["values"].items()
        for name, text in methods.items()
        for one in [kind[name]]
    ]
    problems = {
        "five": "five arms, 0.25 apart",
        "near": "three arms, 0.4 and 0.6 apart",
        "equal": "three equal arms",
    }
    stops = [
        (
            text,
            f"{one['stopped']:.1%}",
            one["median_rounds"] if one["stopped"] and name != "equal" else "–",
            f"{one['right']:.1%}" if one["stopped"] and name != "equal" else "–",
        )
        for name, text in problems.items()
        for one in [found["stopping"][name]]
    ]
    about = (
        f"Regret: how much less was earned than by the best arm from the start; the mean of {found['runs']:,} runs "
        f"and its 95 % interval. Five arms with means 0, 0.25, 0.5, 0.75 and 1, standard deviation 1; *switching*: the "
        f"order turns round half-way."
    )
    clear = (
        f"Arms called clear within 300 rounds, {found['stopping']['five']['runs']:,} runs each; distances "
        f"in standard deviations of one round's reward."
    )
    worth = (
        "The value of an arm from the log of the shipped policy: how often the 95 % interval holds it (all arms; the "
        "worst arm), bias and root mean square error in standard deviations of one round's reward. *Five* are the arms "
        "above, *three* the near ones."
    )
    head = ("regret", *(f"{kind}, {rounds} rounds" for kind, rounds in kinds))
    return "\n\n".join(
        (
            f"{prose(about)}\n\n{table(head, lost)}",
            f"{prose(clear)}\n\n{table(('arms', 'called clear', 'median round', 'it is the best'), stops)}",
            f"{prose(worth)}\n\n{table(('log', 'estimator', 'coverage', 'worst arm', 'bias', 'error'), values)}",
        )
    )


def brackets(found: Mapping[str, Any]) -> str:
    """Coverage and power, and what looking costs."""
    rows = [
        (
            f"{cell['phi']:g}",
            f"{2 * cell['pairs']}",
            "drawn" if cell["order"] == "randomised" else "A B A B",
            "yes" if cell["drift"] else "no",
            f"{cell['effect']:g}",
            f"**{cell['holds']:.1%}**",
            f"{cell['drawn']:.1%}",
            f"{cell['naive']:.1%}",
            f"{cell['finds']:.1%}",
            f"{cell['width']:.3f}",
        )
        for cell in found["cells"]
    ]
    head = ("phi", "periods", "order", "drift", "effect", "paired t", "randomisation", "naive", "finds", "width")
    planned = [
        (
            f"{cell['phi']:g}",
            f"{2 * cell['pairs']}",
            f"{cell['effect']:.4f}",
            f"{cell['promised']:.0%}",
            f"**{cell['finds']:.1%}**",
        )
        for cell in found["planned"]
    ]
    plan = (
        "What the plan promises, without drift: the change that it says is found in 80 % of experiments, and how often "
        "it is found."
    )
    null, effect = found["looks"]["null"], found["looks"]["effect"]
    looks = [
        ("the always-valid sequence", f"**{null['sequence']:.1%}**", f"{effect['sequence']:.1%}"),
        ("the paired t interval, each time", f"{null['paired_t']:.1%}", f"{effect['paired_t']:.1%}"),
    ]
    carry = [(f"{float(part):g}", f"{mean:.4f}", f"{alarms:.1%}") for part, (mean, alarms) in found["carry"].items()]
    about = (
        f"{found['runs']:,} experiments a row: periods of 120 s at 5 Hz, 20 s of them washed out, AR(1) noise of "
        "deviation 0.03; with drift a sine of that size, two periods long, is added. Share of 95 % intervals that hold "
        "the true effect, share of experiments whose paired interval excludes zero, and its median width."
    )
    after = (
        f"Looking after each of 60 pairs, from the sixth on ({10 * found['runs']:,} experiments): share that is ever "
        f"called different. The sequence is {null['width']:.2f} times as wide as the interval for one look, and holds "
        f"the truth at all looks together in {effect['holds']:.1%}."
    )
    over = (
        "What is carried over into the next period, 20 pairs: the true size, the mean estimate, intervals clear of 0."
    )
    ends = [
        (
            "normal" if cell["kind"] == "normal" else "two values",
            cell["pairs"],
            f"{cell['effect']:g}",
            f"{cell['early']:.1%}",
            f"**{cell['sequence_differs']:.1%}**",
            f"{cell['t_differs']:.1%}",
            f"**{cell['sequence_holds']:.1%}**",
            f"{cell['t_holds']:.1%}",
        )
        for cell in found["ends"]
    ]
    ended = (
        f"Experiments that may end early ({10 * found['runs']:,} a row; effects in deviations of a pair's difference): "
        "what is said at their end, by the sequence, as shipped, and by the paired t interval. *Two values*: a drift "
        "as long as a pair and much larger than the noise."
    )
    ends_head = ("differences", "pairs", "effect", "early", "differs", "by t", "holds", "by t")
    constants = [
        (
            f"{cell['tau_s']:g} s",
            cell["pairs"],
            f"{cell['phi']:g}",
            f"{cell['known']:.0%}",
            "–" if cell["median"] is None else f"{cell['median']:.1f} ({cell['low']:.1f} to {cell['high']:.1f}) s",
            f"{cell['warned']:.0%}",
            f"{cell['false']:.1%}",
        )
        for cell in found["constants"]
    ]
    told = (
        f"Time constants from {found['runs'] // 5} brackets a row (0.34 against 0.30 of a rule with gain 0.6, noise of "
        "deviation 0.02): share that tell one, its median and eight of ten, share that call a washout of 20 s too "
        "short, and share of signals without answer that have one."
    )
    constants_head = ("true", "pairs", "phi", "told", "what is told", "too short", "without answer")
    return (
        f"{prose(about)}\n\n{table(head, rows)}\n\n{prose(plan)}\n\n"
        f"{table(('phi', 'periods', 'change', 'promised', 'found'), planned)}\n\n{prose(after)}\n\n"
        f"{table(('', 'no effect', 'half a deviation of a pair'), looks)}\n\n{prose(over)}\n\n"
        f"{table(('carried over', 'estimated', 'noticed'), carry)}\n\n{prose(ended)}\n\n{table(ends_head, ends)}\n\n"
        f"{prose(told)}\n\n{table(constants_head, constants)}"
    )


def impact(found: Mapping[str, Any]) -> str:
    """Sets with known effect, and the time of one analysis."""
    rows = [
        (
            cell["name"],
            f"{cell['effect']:g}",
            f"**{cell['coverage']:.0%}**",
            f"{cell['white_coverage']:.0%}",
            f"{cell['found']:.0%}",
            f"{cell['placebo_found']:.0%}" if "placebo_found" in cell else "–",
            f"{cell['moved_dropped']:.0%}",
            f"{cell['good_dropped']:.0%}",
            f"{cell['structural_coverage']:.0%}" if "structural_coverage" in cell else "–",
        )
        for cell in found["cells"]
    ]
    seconds = found["seconds"]
    about = (
        f"{found['sets']} sets a row of 600 rows before and 550 after, unless said: two good controls, and one that "
        "the event moves by two of its deviations. Effects in deviations of the noise. Share of 95 % intervals that "
        "hold the effect; share of analyses that find one (interval clear of zero; placebo p ≤ 0.05); how often the "
        "moved control is dropped, and one of the good ones; coverage of the second opinion."
    )
    took = (
        f"One analysis of {seconds['rows']:,.0f} rows takes {seconds['without_second_opinion_s']:.2f} s, "
        f"{seconds['whole_s']:.2f} s with the second opinion, and {seconds['first_with_imports_s']:.1f} s when it is "
        "the first of a process, with all imports."
    )
    head = (
        "data",
        "effect",
        "ours",
        "white noise",
        "found",
        "by placebo",
        "moved dropped",
        "good dropped",
        "structural",
    )
    return f"{prose(about)}\n\n{table(head, rows)}\n\n{prose(took)}"


def simulate(found: Mapping[str, Any]) -> str:
    """Policies on the simulated loop."""
    rows = [
        (
            row["policy"],
            f"{row['regret']:.4f}",
            f"{row['outside']:.1%}",
            row["changes"],
            row["rollbacks"],
            row["experiments"],
            f"{row['seconds']:.1f} s",
        )
        for row in found["policies"]
    ]
    about = (
        f"`lumen simulate --days {found['days']}`: {found['samples']:,} samples for each policy at 5 Hz; all of them "
        f"in **{found['seconds']:.0f} s**, each in a process of its own. Regret is the mean reward lost against the "
        "best fixed rules; outside is the share of time in which a true level was beyond its target."
    )
    head = ("policy", "regret", "outside", "changes", "rollbacks", "experiments", "took")
    return f"{prose(about)}\n\n{table(head, rows)}"


def bayes(found: Mapping[str, Any]) -> str:
    """How often the update is sure of nothing."""
    rows = [
        (
            f"{cell['phi']:g}",
            cell["pooled"],
            f"**{cell['honest']:.1%}**",
            f"{cell['independent']:.1%}",
            f"{cell['plain']:.1%}",
            f"**{cell['held']:.1%}**",
            f"{cell['held_days']:.1%}",
        )
        for cell in found["cells"]
    ]
    pooling = found["pooling"]
    about = (
        f"Changes that did nothing, {found['runs']:,} a row: share with p_improve above .95 or below .05, by the "
        "standard error that belongs to the interval, by that of independent samples, and by the latter without regard "
        "to how the effects scatter. Then, for effects drawn from the prior: share of 90 % ranges of the posterior "
        f"that hold the effect; and where the effect differs from change to change by {found['days']:g}, the mean one."
    )
    scaled, plain = pooling["per_unit"], pooling["unscaled"]
    after = (
        "Three changes of different size and direction, pooled for a step of +.02 whose effect is 0.012: the mean "
        f"error is {scaled:+.4f} per unit of rule change, and {plain:+.4f} when their deltas are averaged as they are."
    )
    head = ("phi", "effects pooled", "ours", "independent samples", "no scatter", "holds", "holds, differing")
    return f"{prose(about)}\n\n{table(head, rows)}\n\n{prose(after)}"


def guard(found: Mapping[str, Any]) -> str:
    """False alarms and delays of the guardrail."""

    def delay(seconds: float | None) -> str:
        return "–" if seconds is None else f"{seconds:.0f} s"

    rows = [
        (
            f"{cell['phi']:g}",
            f"{cell['level']:.2%}" + (" (shipped)" if cell["level"] == found["level"] else ""),
            f"**{cell['false']['share']:.1%}**",
            f"{cell['hurt']['share']:.0%}",
            delay(cell["hurt"]["delay_s"]),
        )
        for cell in found["cells"]
    ]
    about = (
        f"Experiments of {found['minutes']:g} minutes on AR(1) noise of deviation {found['sd']:g} at 5 Hz, looked at "
        f"every 5 s over {found['window_s']:g} s, against {found['baseline_s']:g} s before: share of "
        f"{found['runs']:,} unaffected ones that the guardrail ends; share of {found['hurt_runs']:,} that it ends "
        f"within ten minutes of a lasting worsening of risk band by {found['hurt']:g}, and after how long (median)."
    )
    head = ("phi", "level", "false alarms", "worsening found", "delay")
    return f"{prose(about)}\n\n{table(head, rows)}"


def plans(found: Mapping[str, Any]) -> str:
    """What plans promise by noise that had to be found out first."""
    rows = [
        (
            f"{cell['phi']:g}",
            f"{cell['white']:.0%}",
            f"{cell['middle']:.2f}",
            f"{cell['low']:.2f} to {cell['high']:.2f}",
            f"**{cell['finds']:.0%}**",
        )
        for cell in found["cells"]
    ]
    about = (
        f"Plans by five minutes of noise, 10 pairs, {found['runs']:,} a row; a share of the variance is a sensor's own "
        "white noise. The smallest change that is foretold, by the true one: the median and 90 % of the plans; and how "
        "often a bracket finds the change that its plan promises with 80 %."
    )
    return f"{prose(about)}\n\n{table(('phi', 'white', 'median', '90 % of the plans', 'finds'), rows)}"


def drift(found: Mapping[str, Any]) -> str:
    """What looking after each pair costs under a drift."""
    rows = [
        (look["burn_in"], f"{look['drift']:g}", f"**{look['sequence']:.1%}**", f"{look['paired_t']:.1%}")
        for look in found["looks"]
    ]
    about = (
        f"Looking after each of 60 pairs where nothing has an effect ({40 * found['runs']:,} experiments): share that "
        "is ever called different. Each difference is normal, and with drift moved up or down by so many deviations as "
        "a coin falls: what the drawn order makes of a drift that is two periods long."
    )
    return f"{prose(about)}\n\n{table(('looks from pair', 'drift', 'sequence', 'paired t, each time'), rows)}"


EXPERIMENTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "bandit": bandit,
    "bayes": bayes,
    "brackets": brackets,
    "drift": drift,
    "guard": guard,
    "impact": impact,
    "plans": plans,
    "simulate": simulate,
}
