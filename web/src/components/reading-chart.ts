// The chart of one quantity of one device: readings or their envelope and mean, the limits of its rules,
// and gaps left as gaps. How fine it is the server decides; the chart says it.
import { LitElement, css, html, nothing, unsafeCSS, type PropertyValues } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import uPlot from "uplot";
import uplotCss from "uplot/dist/uPlot.min.css?inline";
import { axis, bits, extremes, isDoubtful, isThin, plot, pointsFor, refreshMs, SPANS, stepTo, type Plot } from "../chart.ts";
import { measure, moment, SWITCHES, tick, unitSign, width, withUnit, ZONE } from "../format.ts";
import { lang, pick, t, type Word } from "../i18n.ts";
import { Live } from "../live.ts";
import { problemText } from "../problem.ts";
import { isSeverity, LADDER } from "../severity.ts";
import { store } from "../store.ts";
import { onTheme } from "../theme.ts";
import type { QuantityInfo, Readings, Threshold } from "../types.ts";
import { shared } from "./shared.ts";

const LOOK_MS = 5_000;
const HEIGHT = 200;
const CROSS = 4;

@customElement("bt-reading-chart")
export class ReadingChart extends LitElement {
  @property() device = "";
  @property({ attribute: false }) info!: QuantityInfo;
  @property({ type: Number }) interval = 10;
  @state() private hours = 1 / 6;
  @state() private readings: Readings | null = null;
  @state() private problem = "";
  @query(".plot") private place!: HTMLElement;
  /** Which column of the plot is being read off, by pointer or key. */
  @state() private pointed: number | null = null;
  private shown: Plot | null = null;
  private loadedMs = 0;
  private chart: uPlot | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
  private offTheme: (() => void) | null = null;
  private resized: ResizeObserver | null = null;
  protected live = new Live(this);
  private drawn = "";

  static override styles = [
    unsafeCSS(uplotCss),
    shared,
    css`
      :host {
        display: block;
      }
      .spans {
        display: flex;
        flex-wrap: wrap;
        gap: 5px;
        margin: 4px 0 6px;
      }
      .spans button {
        padding: 2px 8px;
      }
      .plot {
        min-height: 200px;
        position: relative;
      }
      .u-legend {
        display: none;
      }
      .empty {
        position: absolute;
        inset: 0 0 24px;
        display: grid;
        place-items: center;
        color: var(--soft);
        pointer-events: none;
      }
      p {
        margin: 3px 0;
        font-size: 12.5px;
        color: var(--soft);
      }
      ul {
        list-style: none;
        padding: 0;
        margin: 4px 0;
        font-size: 12.5px;
        display: flex;
        flex-wrap: wrap;
        gap: 2px 14px;
      }
      .plot:focus-visible {
        outline: 2px solid var(--focus);
        outline-offset: 2px;
      }
      .readout {
        min-height: 1.45em;
        font-variant-numeric: tabular-nums;
      }
      .readout.found {
        color: var(--ink);
      }
      .mark {
        color: var(--danger);
      }
      .band {
        display: inline-block;
        width: 18px;
        height: 10px;
        background: color-mix(in srgb, var(--accent) 26%, transparent);
        border: solid color-mix(in srgb, var(--accent) 60%, transparent);
        border-width: 1px 0;
        vertical-align: middle;
      }
      i {
        display: inline-block;
        width: 18px;
        border-top: 3px dashed var(--step);
        vertical-align: middle;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.timer = setInterval(() => this.look(), LOOK_MS);
    this.offTheme = onTheme(() => this.redraw());
  }

  override disconnectedCallback(): void {
    clearInterval(this.timer);
    this.offTheme?.();
    this.resized?.disconnect();
    this.chart?.destroy();
    this.chart = null;
    super.disconnectedCallback();
  }

  protected override firstUpdated(): void {
    this.resized = new ResizeObserver(() =>
      this.chart?.setSize({ width: this.place.clientWidth, height: HEIGHT }),
    );
    this.resized.observe(this.place);
  }

  protected override updated(changed: PropertyValues): void {
    const key = `${this.device} ${this.info.quantity} ${this.hours} ${lang()}`;
    if (key !== this.drawn) {
      this.drawn = key;
      this.readings = null;
      this.pointed = null;
      void this.load();
    }
    if (changed.has("readings") || changed.has("info")) this.draw();
  }

  protected override render() {
    const { readings } = this;
    const points = readings?.t.length ?? 0;
    return html`<div class="spans" role="group" aria-label=${t("chart.span")}>
        ${SPANS.map(
          ({ hours, word }) =>
            html`<button aria-pressed=${this.hours === hours} @click=${() => (this.hours = hours)}>${t(word)}</button>`,
        )}
      </div>
      <div
        class="plot"
        role="img"
        tabindex="0"
        aria-label=${readings ? this.describe(readings) : t("chart.title")}
        aria-describedby="readout"
        data-points=${points}
        data-resolution=${readings?.resolution ?? ""}
        @keydown=${this.onKey}
      >
        ${readings && points === 0 ? html`<span class="empty">${t("chart.empty")}</span>` : nothing}
      </div>
      <p id="readout" class="readout ${this.pointed === null ? "" : "found"}" aria-live="polite">${this.readout()}</p>
      ${this.problem ? html`<p class="problem" role="alert">${t("chart.failed")}：${this.problem}</p>` : nothing}
      <ul>
        ${readings && points > 0 ? this.key(readings) : nothing}
        ${this.info.thresholds.map((limit) => this.limit(limit))}
      </ul>`;
  }

  /** What the signs of the chart mean, and how fine it is. */
  private key(readings: Readings) {
    const wide = readings.step_s > 0;
    const switched = SWITCHES.has(this.info.quantity);
    const marked = wide ? readings.good?.some(isThin) : readings.q?.some(isDoubtful);
    return html`<li data-width>${wide ? t("chart.each", { width: width(readings.step_s, lang()) }) : t("chart.single")}</li>
      ${wide && !switched ? html`<li><span class="band"></span> ${t("chart.band")}</li><li>${t("chart.mean")}</li>` : nothing}
      ${marked ? html`<li><b class="mark">✕</b> ${t(wide ? "chart.partly" : "chart.doubtful")}</li>` : nothing}
      ${readings.because === "deleted" ? html`<li>${t("chart.deleted")}</li>` : nothing}
      ${readings.complete ? nothing : html`<li>${t("chart.incomplete")}</li>`}`;
  }

  private readout(): string {
    const { readings, shown, pointed } = this;
    const i = pointed === null ? null : (shown?.at[pointed] ?? null);
    if (!readings || i === null) return readings && readings.t.length > 0 ? t("chart.hint") : "";
    const at = moment(new Date(readings.t[i]!).toISOString(), store.nowMs());
    const told = (value: number | null | undefined): string => withUnit(value, this.info.unit);
    if (readings.step_s === 0) {
      const why = bits(readings.q?.[i] ?? 0).map((bit) => t(`quality.${bit}` as Word));
      return t("chart.readout", { at, value: [told(readings.v?.[i]), ...why].join(" · ") });
    }
    const { mean, min, max, count, good } = readings;
    const share = Math.round((1 - (good?.[i] ?? 1)) * 100);
    const value = t("chart.between", { mean: told(mean?.[i]), min: measure(min?.[i]), max: measure(max?.[i]), n: count?.[i] ?? 0 });
    return t("chart.readout", { at, value: share > 0 ? `${value} · ${t("chart.leftOut", { share })}` : value });
  }

  private onKey = (event: KeyboardEvent): void => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0 || !this.shown || !this.chart) return;
    event.preventDefault();
    this.pointed = stepTo(this.shown, this.pointed, by);
    if (this.pointed === null) return;
    const left = this.chart.valToPos(this.shown.t[this.pointed]!, "x");
    this.chart.setCursor({ left, top: HEIGHT / 3 }, false);
  };

  private limit(limit: Threshold) {
    const step = LADDER[limit.severity];
    const text = t(limit.type === "high" ? "chart.above" : "chart.below", {
      limit: SWITCHES.has(this.info.quantity) ? "" : withUnit(limit.raise, this.info.unit),
    });
    return html`<li style="--step:${step.colour}"><i></i> ${step.roman} ${pick(limit.name)} ${text}</li>`;
  }

  private describe(readings: Readings): string {
    const { n, min, max, last } = extremes(readings);
    return t("chart.describe", {
      quantity: pick(this.info),
      n,
      min: measure(min),
      max: measure(max),
      last: measure(last),
    });
  }

  /** Fetch anew when the curve would have moved. */
  private look(): void {
    if (store.nowMs() - this.loadedMs >= refreshMs(this.hours)) void this.load();
  }

  private async load(): Promise<void> {
    const { device, hours } = this;
    const { quantity } = this.info;
    this.loadedMs = store.nowMs();
    const from = new Date(this.loadedMs - hours * 3_600_000);
    try {
      const points = pointsFor(this.place.clientWidth * devicePixelRatio);
      const readings = await store.api.readings(device, quantity, from, points);
      if (device !== this.device || quantity !== this.info.quantity || hours !== this.hours) return;
      this.readings = readings;
      this.problem = "";
    } catch (cause) {
      this.loadedMs = 0;
      this.problem = problemText(cause);
    }
  }

  private redraw(): void {
    this.chart?.destroy();
    this.chart = null;
    this.draw();
  }

  private draw(): void {
    const { readings } = this;
    if (!readings) return;
    const gapMs = Math.max(this.interval * 3.5, 5) * 1000;
    this.shown = plot(readings, gapMs, SWITCHES.has(this.info.quantity));
    const { t: times, high, low, line } = this.shown;
    const data = [times, high, low, line] as uPlot.AlignedData;
    if (this.chart && this.chart.root.dataset["key"] === this.drawn) {
      this.chart.setData(data);
      return;
    }
    this.chart?.destroy();
    this.chart = new uPlot(this.options(), data, this.place);
    this.chart.root.dataset["key"] = this.drawn;
  }

  private options(): uPlot.Options {
    const colour = (name: string): string => getComputedStyle(this).getPropertyValue(name).trim();
    const stepped = SWITCHES.has(this.info.quantity) ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {};
    const accent = colour("--accent");
    const edge = { stroke: `${accent}66`, width: 1, points: { show: false } };
    const ruled: uPlot.Axis = {
      stroke: colour("--soft"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
      font: "12px sans-serif",
    };
    return {
      width: this.place.clientWidth,
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), ZONE),
      cursor: { drag: { x: false, y: false }, y: false },
      bands: [{ series: [1, 2], fill: `${accent}4d` }],
      legend: { show: false },
      scales: { x: { time: true, range: () => this.window() }, y: { range: () => this.reach() } },
      axes: [
        { ...ruled, values: (_, splits) => splits.map((at) => tick(at, this.hours)), space: 60 },
        { ...ruled, size: 52, values: (_, splits) => splits.map(measure), label: unitSign(this.info.unit), labelSize: unitSign(this.info.unit) ? 18 : 0, labelFont: "12px sans-serif" },
      ],
      series: [
        {},
        edge,
        edge,
        { stroke: accent, width: 1.5, points: { show: false }, ...stepped },
      ],
      hooks: {
        draw: [(chart) => this.drawLimits(chart), (chart) => this.drawMarks(chart, colour("--danger"))],
        setCursor: [({ cursor }) => this.point(cursor.idx ?? null)],
      },
    };
  }

  private window(): [number, number] {
    const now = store.nowMs() / 1000;
    return [now - this.hours * 3600, now];
  }

  private reach(): [number, number] {
    if (SWITCHES.has(this.info.quantity)) return [-0.1, 1.2];
    const sums = this.readings ? extremes(this.readings) : { n: 0, min: null, max: null, last: null };
    return axis(sums, this.info.thresholds);
  }

  private point(column: number | null): void {
    this.pointed = column !== null && this.shown?.at[column] != null ? column : null;
  }

  /** Crosses, so that what is doubtful has a shape of its own and not only a colour. */
  private drawMarks(chart: uPlot, colour: string): void {
    const { ctx: pen } = chart;
    const { t: times = [], marks = [] } = this.shown ?? {};
    const size = CROSS * devicePixelRatio;
    pen.save();
    pen.strokeStyle = colour;
    pen.lineWidth = 2 * devicePixelRatio;
    pen.beginPath();
    marks.forEach((value, i) => {
      if (value === null) return;
      const [x, y] = [chart.valToPos(times[i]!, "x", true), chart.valToPos(value, "y", true)];
      pen.moveTo(x - size, y - size);
      pen.lineTo(x + size, y + size);
      pen.moveTo(x - size, y + size);
      pen.lineTo(x + size, y - size);
    });
    pen.stroke();
    pen.restore();
  }

  private drawLimits(chart: uPlot): void {
    const { ctx: pen, bbox } = chart;
    const ratio = devicePixelRatio;
    pen.save();
    pen.lineWidth = 1.5 * ratio;
    pen.setLineDash([7 * ratio, 5 * ratio]);
    pen.font = `bold ${12 * ratio}px sans-serif`;
    pen.textAlign = "left";
    for (const { raise, severity } of this.info.thresholds) {
      const y = chart.valToPos(raise, "y", true);
      if (y < bbox.top || y > bbox.top + bbox.height || !isSeverity(severity)) continue;
      pen.strokeStyle = pen.fillStyle = LADDER[severity].colour;
      pen.beginPath();
      pen.moveTo(bbox.left, y);
      pen.lineTo(bbox.left + bbox.width, y);
      pen.stroke();
      pen.fillText(LADDER[severity].roman, bbox.left + 4 * ratio, y - 4 * ratio);
    }
    pen.restore();
  }
}
