"""How panels look: one way to draw a line, a number and a table, and what all dashboards share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import common as parts
from grafana_foundation_sdk.builders import dashboard as boards
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"

Panel = timeseries.Panel | stat.Panel | statetimeline.Panel | table.Panel

FLEET, SEGMENT, SERVICE = "driftline-fleet", "driftline-segment", "driftline-service"
"""What the dashboards are known by; links and bookmarks rest on it."""

EVIDENCE = "${url}/alerts/${__data.fields.alert_id:percentencode}"
DETAIL = (
    f"/d/{SEGMENT}?var-datasource=${{datasource}}&var-job=${{job:percentencode}}&var-url=${{url:percentencode}}"
    "&var-app=${__data.fields.app:percentencode}&var-prompt_name=${__data.fields.prompt:percentencode}"
    "&var-variant=${__data.fields.of:percentencode}&${__url_time_range}"
)
"""Where the rows of tables lead; ``linked`` makes the fields."""


HIDDEN = ("prompt", "of")
"""Columns that are there for links only."""


def of(name: str, *selectors: str) -> str:
    """The series of a metric that the dashboard's workers expose."""
    return name + "{" + ", ".join(('job="$job"', *selectors)) + "}"


def rate(name: str, *selectors: str) -> str:
    """A counter's increase by the second."""
    return f"rate({of(name, *selectors)}[$__rate_interval])"


def rejected_share() -> str:
    """Share of the calls of a quarter of an hour that were rejected."""
    calls, rejected = (f"sum(rate({of(f'driftline_{name}_total')}[15m]))" for name in ("calls", "rejected_calls"))
    return f"{rejected} / ({rejected} + {calls})"


def linked(expr: str) -> str:
    """The same rows with what the variables of the segment's dashboard are to be, also where a label is empty."""
    for label, given, empty in (("prompt", "prompt_name", "All"), ("of", "variant", "()")):
        for pattern, value in (("(.+)", "$1"), ("", empty)):
            expr = f'label_replace({expr}, "{label}", "{value}", "{given}", "{pattern}")'
    return expr


def query(
    expr: str, legend: str = "", *, instant: bool = False, rows: bool = False, exemplars: bool = False
) -> prometheus.Dataquery:
    """A question to Prometheus: over time, or of the end of the time shown; ``rows`` makes a table of it."""
    asked = prometheus.Dataquery().expr(expr).exemplar(exemplars)
    asked = asked.instant() if instant or rows else asked.range()
    return asked.format(PromQueryFormat.TABLE if rows else PromQueryFormat.TIME_SERIES).legend_format(
        legend or "__auto"
    )


def steps(*colours: tuple[float | None, str]) -> boards.ThresholdsConfig:
    """Colours by the value from which on they hold."""
    return (
        boards.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value=value, color=colour) for value, colour in colours])
    )


def _asked(panel: Any, queries: Sequence[prometheus.Dataquery], width: int, height: int) -> Any:
    for number, one in enumerate(queries):
        panel = panel.with_target(one.ref_id(chr(ord("A") + number)).datasource(SOURCE))
    return panel.datasource(SOURCE).span(width).height(height)


def lines(
    title: str,
    description: str,
    *queries: prometheus.Dataquery,
    unit: str = "short",
    limit: float | None = None,
    stacked: bool = False,
    whole: bool = False,
    minimum: float | None = 0,
    width: int = 12,
) -> timeseries.Panel:
    """Lines over time; ``limit`` draws a line that should not be passed, ``whole`` stacks shares that add up to one."""
    panel = timeseries.Panel().title(title).description(description).unit(unit)
    panel = _asked(panel, queries, width, 8)
    legend = parts.VizLegendOptions().display_mode(common.LegendDisplayMode.TABLE).show_legend(True)
    legend = legend.placement(common.LegendPlacement.BOTTOM).calcs(["lastNotNull", "max"])
    tooltip = parts.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    panel = panel.legend(legend).tooltip(tooltip).line_width(1).fill_opacity(60 if stacked or whole else 8)
    if minimum is not None:
        panel = panel.min(minimum)
    if stacked or whole:
        panel = panel.stacking(parts.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if whole:
        panel = panel.max(1)
    if limit is not None:
        style = parts.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.LINE)
        panel = panel.thresholds(steps((None, GREEN), (limit, RED))).thresholds_style(style).axis_soft_max(limit * 1.2)
    return panel


def number(
    title: str,
    description: str,
    *queries: prometheus.Dataquery,
    unit: str = "short",
    colours: Sequence[tuple[float | None, str]] = ((None, BLUE),),
    none: str = "none",
    label: str = "",
    width: int = 4,
) -> stat.Panel:
    """Numbers as they are now, with their colour; ``label`` shows the value of a label instead."""
    panel = stat.Panel().title(title).description(description).unit(unit).thresholds(steps(*colours)).no_value(none)
    panel = _asked(panel, queries, width, 4).color_mode(common.BigValueColorMode.VALUE)
    panel = panel.graph_mode(common.BigValueGraphMode.NONE)
    panel = panel.reduce_options(parts.ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.text_mode(common.BigValueTextMode.NAME).color_scheme(_fixed(BLUE)) if label else panel


def _fixed(colour: str) -> boards.FieldColor:
    return boards.FieldColor().mode(dashboard.FieldColorModeId.FIXED).fixed_color(colour)


def states(
    title: str,
    description: str,
    asked: prometheus.Dataquery,
    texts: tuple[tuple[str, str], tuple[str, str]],
    width: int,
) -> statetimeline.Panel:
    """Bands over time of what is 0 or 1, each with its text and colour."""
    options = {
        str(number): dashboard.ValueMappingResult(text=text, color=colour, index=number)
        for number, (text, colour) in enumerate(texts)
    }
    panel = statetimeline.Panel().title(title).description(description).mappings([dashboard.ValueMap(options=options)])
    panel = panel.show_value(common.VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)
    return _asked(panel, [asked], width, 8)


def rows(
    title: str,
    description: str,
    asked: prometheus.Dataquery,
    columns: dict[str, str],
    *,
    none: str,
    unit: str = "short",
    links: dict[str, tuple[str, str]] | None = None,
    value: Sequence[dashboard.DynamicConfigValue] = (),
    sort: str = "",
    width: int = 24,
) -> table.Panel:
    """A table: ``columns`` in their order with their headings, ``links`` by column as title and address."""
    panel = table.Panel().title(title).description(description).unit(unit).no_value(none)
    panel = _asked(panel, [asked], width, 8)
    shown = {"include": {"names": [*columns, *HIDDEN]}}
    panel = panel.with_transformation(dashboard.DataTransformerConfig(id_val="filterFieldsByName", options=shown))
    order = {"indexByName": {name: place for place, name in enumerate((*columns, *HIDDEN))}}
    panel = panel.with_transformation(dashboard.DataTransformerConfig(id_val="organize", options=order))
    for name, heading in columns.items():
        found = [dashboard.DynamicConfigValue(id_val="displayName", value=heading)] if heading != name else []
        if links and name in links:
            text, address = links[name]
            link = {"title": text, "url": address, "targetBlank": address == EVIDENCE}
            found.append(dashboard.DynamicConfigValue(id_val="links", value=[link]))
        if name == "Value":
            found.extend(value)
        if found:
            panel = panel.override_by_name(name, found)
    for name in HIDDEN:
        panel = panel.override_by_name(name, [dashboard.DynamicConfigValue(id_val="custom.hideFrom.viz", value=True)])
    if sort:
        panel = panel.sort_by([parts.TableSortByFieldState().display_name(sort).desc(True)])
    return panel


class Board:
    """A dashboard in the making."""

    def __init__(self, uid: str, title: str, description: str) -> None:
        link = boards.DashboardLink("Driftline").type(dashboard.DashboardLinkType.DASHBOARDS).tags(["driftline"])
        pages = boards.DashboardLink("Alarms").type(dashboard.DashboardLinkType.LINK).url("${url}/alerts")
        self._made = (
            boards.Dashboard(title)
            .uid(uid)
            .description(description)
            .tags(["driftline"])
            .time("now-24h", "now")
            .refresh("1m")
            .timezone("browser")
            .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
            .link(link.include_vars(True).keep_time(True).as_dropdown(False).icon("external link"))
            .link(pages.target_blank(True).icon("info").tooltip("Standing alarms and their evidence"))
            .with_variable(boards.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        )
        self._panels = 0
        self.choice("job", "Job", "driftline_build_info", "Label job that Prometheus gives to the workers")

    def choice(self, name: str, label: str, series: str, description: str, *, whole: bool = False) -> None:
        """Let one of the values of a label be chosen, or all where ``whole``."""
        asked = f"label_values({series}, {name})"
        made = boards.QueryVariable(name).label(label).description(description).datasource(SOURCE).definition(asked)
        made = made.query({"qryType": 1, "query": asked, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
        made = made.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        made = made.sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        self._made.with_variable(made.include_all(True).all_value(".*") if whole else made)

    def variants(self) -> None:
        """Let live calls or shadow calls be chosen: the first have no such label."""
        live = dashboard.VariableOption(text="live", value="()", selected=True)
        shadow = dashboard.VariableOption(text="shadow", value="shadow", selected=False)
        made = boards.CustomVariable("variant").label("Variant").values("live : (), shadow : shadow")
        made = made.description("Live calls, or those of a shadow model").options([live, shadow]).current(live)
        self._made.with_variable(made)

    def service(self) -> None:
        """Let the address of a worker be said, to which links to evidence lead; last, for it is seldom changed."""
        at = "http://localhost:6066"
        made = boards.TextBoxVariable("url").label("Worker's address").default_value(at)
        made = made.description("Web server of any worker, as your browser reaches it: links to evidence lead there")
        option = dashboard.VariableOption(text=at, value=at, selected=True)
        self._made.with_variable(made.current(option).options([option]))

    def mark(self, name: str, asked: str, title: str, text: str, colour: str, *, at_value: bool = False) -> None:
        """Mark on every panel when a query has samples, or with ``at_value`` the times that these say."""
        made = boards.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(colour)
        made = made.target(prometheus.Dataquery().expr(asked).ref_id("Anno").range().datasource(SOURCE))
        self._made.annotation(made.title_format(title).text_format(text).use_value_for_time(at_value).tag_keys("kind"))

    def row(self, title: str, *panels: Panel) -> None:
        """Add a row of panels under a heading."""
        self._panels += 1
        self._made.with_row(boards.Row(title).id(self._panels))
        for panel in panels:
            self._panels += 1
            self._made.with_panel(panel.id(self._panels))

    def text(self) -> str:
        """The dashboard as JSON, the same for the same panels."""
        built = self._made.build()
        for one in (*built.links, *(built.annotations.list_val or ())):
            one.placement = None  # the library's only value would hide them in a menu
        return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
