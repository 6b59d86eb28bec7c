"""Every text of the report, in Korean and in English.

Korean never speaks of the system as a machine that somebody runs: it flows, goes on, sounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from lumen_workers.domain.records import Severity
from lumen_workers.effects.verdicts import Verdict


@dataclass(frozen=True, kw_only=True)
class Words:
    """The texts of one language. Fields with ``{…}`` are formats; ``units`` are day, hour, minute, second."""

    title: str
    revision: str
    final: str
    provisional: str
    signals: Mapping[str, str]
    shorts: Mapping[str, str]
    severities: Mapping[Severity, str]
    verdicts: Mapping[Verdict, str]
    weekdays: tuple[str, ...]
    date_form: str
    months: tuple[str, ...]
    units: tuple[str, str, str, str]

    summary: str
    quotes: str
    risks: str
    effects: str
    signals_title: str
    notes: str
    sources: str
    line: str

    loop: str
    loops: str
    rate: str
    quotes_figure: str
    risks_figure: str
    samples: str
    coverage: str
    missing: str
    changes: str
    period: str
    sealed: str
    seal: str
    previous_seal: str
    root: str
    code: str
    watermark: str
    file: str
    more_loops: str

    number: str
    time: str
    change: str
    by: str
    counts: str
    signal: str
    interval: str
    verdict: str
    confidence: str
    mean_confidence: str
    severity: str
    count: str
    latest_risks: str
    measured: str
    insufficient: str
    waiting: str
    insufficient_row: str
    waiting_row: str
    automatic: str
    undoes: str
    floor: str
    ceiling: str
    band_caption: str
    effects_caption: str
    forest_caption: str
    forest_chosen: str

    no_loops: str
    no_samples: str
    no_quotes: str
    no_risks: str
    no_changes: str
    no_line: str

    note_provisional: str
    note_no_samples: str
    note_coverage: str
    note_gap: str
    note_whole: str
    note_discoveries: str
    note_told: str
    note_strongest: str
    note_untold: str
    note_unjudged: str
    note_insufficient: str
    note_waiting: str
    note_bracket: str
    note_bandit: str
    note_trial_untold: str
    note_trial_cut: str
    note_locked: str
    note_floor: str
    note_ceiling: str
    note_quiet: str
    note_quiet_since: str

    def day(self, day: date) -> str:
        """A date in full, with its weekday."""
        return self.date_form.format(
            year=day.year, month=self.months[day.month - 1], day=day.day, weekday=self.weekdays[day.weekday()]
        )


EN = Words(
    title="Lumen day report",
    revision="revision {n}",
    final="final",
    provisional="provisional",
    signals={
        "phase_diff": "Phase difference",
        "entropy_rate": "Entropy rate",
        "creative_band": "Creative band",
        "risk_band": "Risk band",
    },
    shorts={"phase_diff": "phase", "entropy_rate": "entropy", "creative_band": "creative", "risk_band": "risk"},
    severities={Severity.INFO: "info", Severity.WARN: "warning", Severity.CRIT: "critical"},
    verdicts={
        Verdict.IMPROVED: "improved",
        Verdict.WORSENED: "worsened",
        Verdict.CHANGED: "changed",
        Verdict.NO_CHANGE_DETECTABLE: "no change detectable",
        Verdict.INCONCLUSIVE: "inconclusive",
        Verdict.INSUFFICIENT: "no interval",
    },
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    date_form="{weekday}, {day} {month} {year}",
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    units=(" d", " h", " min", " s"),
    summary="Summary",
    quotes="Quote highlights",
    risks="Risk overview",
    effects="Rule changes and their effects",
    signals_title="Signals",
    notes="Observations",
    sources="Sources and counts",
    line="Line of the day",
    loop="Loop",
    loops="Loops",
    rate="Rate",
    quotes_figure="Quotes",
    risks_figure="Risks",
    samples="Samples",
    coverage="Coverage",
    missing="Missing ticks",
    changes="Rule changes",
    period="Period",
    sealed="Sealed",
    seal="Seal",
    previous_seal="Previous day",
    root="Root",
    code="Code",
    watermark="Watermark",
    file="File",
    more_loops="and {n} more",
    number="#",
    time="Time",
    change="Change",
    by="By",
    counts="n before / after",
    signal="Signal",
    interval="Interval",
    verdict="Verdict",
    confidence="confidence {value}",
    mean_confidence="Mean confidence {value} (quotes: {n})",
    severity="Severity",
    count="Count",
    latest_risks="Latest",
    measured="Measured",
    insufficient="Insufficient",
    waiting="Pending",
    insufficient_row="insufficient: {n_pre} samples before and {n_post} after, {needed} needed on each side",
    waiting_row="not measured yet",
    automatic="automatic",
    undoes="undoes #{n}",
    floor="floor {value}",
    ceiling="ceiling {value}",
    band_caption=(
        "Each band spans the lowest and the highest sample of {bin}; a break is missing data. "
        "Dashed lines are thresholds, numbered lines are rule changes."
    ),
    effects_caption=(
        "The interval holds the true change with a probability of {level}. Improved or worsened: it excludes zero; "
        "no change detectable: it holds zero and no change that matters; inconclusive: it holds both. "
        "q: the share of false ones to expect when this change of the day and all clearer ones are believed."
    ),
    forest_caption="A line is the interval of one change, its mark the measured Δ; lines with an arrow go on.",
    forest_chosen="Drawn are {n} of {total} changes, those with the strongest evidence (|Δ| in standard errors).",
    no_loops="No loop was known when this day was sealed.",
    no_samples="No samples in this period",
    no_quotes="No change of this period made a quote.",
    no_risks="No risks in this period.",
    no_changes="No rule changes in this period.",
    no_line="No quote in this period.",
    note_provisional="The day had not ended when it was sealed: this revision reaches up to {time}.",
    note_no_samples="No samples in this period: nothing can be said about the loop's signals.",
    note_coverage="Samples from {first} to {last}: {share} of the ticks in between are there, {missing} missing.",
    note_gap="The longest gap lasted {duration}, from {time}.",
    note_whole="Samples from {first} to {last}, without a missing tick.",
    note_discoveries=(
        "Intervals of the day that exclude zero: {told} of {tests}. "
        "With the share of false ones among them held to {rate} (q), there remain {kept}."
    ),
    note_told=(
        "Changes that improved a signal: {better}; that worsened one: {worse} (both at once: {both}); "
        "of which nothing can be told: {nothing}."
    ),
    note_strongest="The clearest change was #{n}, {rule} {old} → {new}: {signal} {delta} ({lo} to {hi}), {verdict}.",
    note_untold="No measured change can be told from none: every interval includes zero.",
    note_unjudged="Changes that were measured before effects had intervals: {n} of {total}.",
    note_insufficient="Changes with too few samples around them to be measured: {n} of {total}.",
    note_waiting="Changes that were not measured yet: {n} of {total}.",
    note_bracket="Experiment {id}: {rule} {b} against {a}: {signal} {delta} ({lo} to {hi}), {verdict}.",
    note_bandit="Experiment {id}: of the values of {rule} that were tried {best} looks best (probability {p}).",
    note_trial_untold="Experiment {id} on {rule}: what was measured does not tell the values apart.",
    note_trial_cut="It ended before its plan.",
    note_locked="In phase lock for {share} of the samples.",
    note_floor="{signal} was below its floor in {share} of the samples.",
    note_ceiling="{signal} was above its ceiling in {share} of the samples.",
    note_quiet="No rule changed, and none had before.",
    note_quiet_since="No rule changed; the last change was {duration} before the end of the period.",
)

KO = Words(
    title="루멘 하루 보고서",
    revision="제{n}판",
    final="확정",
    provisional="잠정",
    signals={
        "phase_diff": "위상차",
        "entropy_rate": "엔트로피율",
        "creative_band": "창의 밴드",
        "risk_band": "위험 밴드",
    },
    shorts={"phase_diff": "위상차", "entropy_rate": "엔트로피", "creative_band": "창의", "risk_band": "위험"},
    severities={Severity.INFO: "참고", Severity.WARN: "주의", Severity.CRIT: "심각"},
    verdicts={
        Verdict.IMPROVED: "나아짐",
        Verdict.WORSENED: "나빠짐",
        Verdict.CHANGED: "달라짐",
        Verdict.NO_CHANGE_DETECTABLE: "감지된 변화 없음",
        Verdict.INCONCLUSIVE: "판단 보류",
        Verdict.INSUFFICIENT: "구간 없음",
    },
    weekdays=("월요일", "화요일", "수요일", "목요일", "금요일", "토요일", "일요일"),
    date_form="{year}년 {month} {day}일 {weekday}",
    months=("1월", "2월", "3월", "4월", "5월", "6월", "7월", "8월", "9월", "10월", "11월", "12월"),
    units=("일", "시간", "분", "초"),
    summary="요약",
    quotes="돋보인 문장",
    risks="위험 개요",
    effects="규칙 변경과 그 효과",
    signals_title="신호의 흐름",
    notes="관찰",
    sources="출처와 건수",
    line="오늘의 한 문장",
    loop="루프",
    loops="루프",
    rate="빈도",
    quotes_figure="문장",
    risks_figure="위험",
    samples="표본",
    coverage="수집률",
    missing="빠진 틱",
    changes="규칙 변경",
    period="기간",
    sealed="봉인 시각",
    seal="봉인",
    previous_seal="전날",
    root="루트 인증서",
    code="코드",
    watermark="워터마크",
    file="파일",
    more_loops="외 {n}개",
    number="#",
    time="시각",
    change="변경",
    by="변경한 이",
    counts="전 / 후 표본",
    signal="신호",
    interval="구간",
    verdict="판정",
    confidence="신뢰도 {value}",
    mean_confidence="평균 신뢰도 {value} (문장 {n}개)",
    severity="수준",
    count="건수",
    latest_risks="최근 위험",
    measured="측정됨",
    insufficient="표본 부족",
    waiting="측정 전",
    insufficient_row="표본 부족: 전 {n_pre}개, 후 {n_post}개 (양쪽 각각 {needed}개 필요)",
    waiting_row="아직 측정되지 않음",
    automatic="자동",
    undoes="#{n} 되돌림",
    floor="하한 {value}",
    ceiling="상한 {value}",
    band_caption=(
        "띠는 {bin} 동안의 가장 낮은 표본과 가장 높은 표본 사이를 나타내며, 끊긴 곳은 데이터가 없는 구간입니다. "
        "점선은 임계값, 번호가 붙은 선은 규칙 변경입니다."
    ),
    effects_caption=(
        "구간은 {level}의 확률로 참된 변화를 담습니다. 나아짐과 나빠짐은 구간이 0을 포함하지 않을 때, "
        "감지된 변화 없음은 0만 담고 의미 있는 크기의 변화는 담지 않을 때, 판단 보류는 둘 다 담을 때입니다. "
        "q는 하루의 변화 가운데 이것과 이보다 뚜렷한 것을 모두 믿을 때 그중 거짓일 것으로 예상되는 몫입니다."
    ),
    forest_caption="선은 변경 하나의 구간, 표식은 측정된 Δ입니다. 화살표가 달린 선은 더 이어집니다.",
    forest_chosen="변경 {total}건 가운데 근거가 가장 강한 {n}건만 그렸습니다(표준오차로 잰 |Δ|).",
    no_loops="이 날이 봉인될 때 알려진 루프가 없었습니다.",
    no_samples="이 기간에는 표본이 없습니다",
    no_quotes="이 기간의 변경에서 나온 문장이 없습니다.",
    no_risks="이 기간에는 위험 기록이 없습니다.",
    no_changes="이 기간에는 규칙 변경이 없습니다.",
    no_line="이 기간에는 문장이 없습니다.",
    note_provisional="하루가 끝나기 전에 봉인되었습니다. 이 판은 {time}까지를 담습니다.",
    note_no_samples="이 기간에는 표본이 없어 루프의 신호에 대해 말할 수 있는 것이 없습니다.",
    note_coverage="{first}부터 {last}까지 표본이 이어졌고, 그 사이 틱의 {share}가 수집되었습니다(빠진 틱 {missing}개).",
    note_gap="가장 긴 공백은 {time}부터 {duration} 동안이었습니다.",
    note_whole="{first}부터 {last}까지 빠진 틱 없이 표본이 이어졌습니다.",
    note_discoveries=(
        "하루의 구간 {tests}개 가운데 0을 포함하지 않는 것은 {told}개입니다. "
        "그중 거짓의 몫을 {rate} 이하로 묶으면(q) {kept}개가 남습니다."
    ),
    note_told=(
        "신호가 나아진 변경 {better}건, 나빠진 변경 {worse}건(둘 다 {both}건), 변화를 가려낼 수 없는 변경 {nothing}건."
    ),
    note_strongest=(
        "가장 뚜렷한 변화는 #{n}입니다. {rule} {old} → {new}, {signal} {delta}({lo}에서 {hi}까지), {verdict}."
    ),
    note_untold="측정된 변경 가운데 변화를 가려낼 수 있는 것이 없습니다. 모든 구간이 0을 포함합니다.",
    note_unjudged="효과에 구간이 붙기 전에 측정된 변경: {total}건 중 {n}건.",
    note_insufficient="앞뒤 표본이 모자라 효과를 측정하지 못한 변경: {total}건 중 {n}건.",
    note_waiting="아직 효과가 측정되지 않은 변경: {total}건 중 {n}건.",
    note_bracket="실험 {id}: {rule} {b} 대 {a}, {signal} {delta}({lo}에서 {hi}까지), {verdict}.",
    note_bandit="실험 {id}: 시험한 {rule} 값 가운데 {best} 값이 가장 나아 보입니다(확률 {p}).",
    note_trial_untold="실험 {id}({rule}): 측정된 것만으로는 값의 차이를 가려낼 수 없습니다.",
    note_trial_cut="계획보다 일찍 끝났습니다.",
    note_locked="표본의 {share}에서 위상 잠금이 유지되었습니다.",
    note_floor="표본의 {share}에서 {signal} 값이 하한보다 낮았습니다.",
    note_ceiling="표본의 {share}에서 {signal} 값이 상한보다 높았습니다.",
    note_quiet="규칙 변경이 없었고, 이전에도 없었습니다.",
    note_quiet_since="규칙 변경이 없었습니다. 마지막 변경은 기간이 끝나기 {duration} 전이었습니다.",
)

LOCALES: Mapping[str, Words] = {"en": EN, "ko": KO}
