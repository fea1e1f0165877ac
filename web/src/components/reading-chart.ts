// The chart of one quantity of one device: readings, the limits of its rules, and gaps left as gaps.
import { LitElement, css, html, nothing, unsafeCSS, type PropertyValues } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import uPlot from "uplot";
import uplotCss from "uplot/dist/uPlot.min.css?inline";
import { axis, extremes, isDoubtful, plot } from "../chart.ts";
import { moment, SWITCHES, unitSign, withUnit, ZONE, measure } from "../format.ts";
import { lang, pick, t } from "../i18n.ts";
import { Live } from "../live.ts";
import { problemText } from "../problem.ts";
import { isSeverity, LADDER } from "../severity.ts";
import { store } from "../store.ts";
import { onTheme } from "../theme.ts";
import type { QuantityInfo, Readings, Threshold } from "../types.ts";
import { shared } from "./shared.ts";

const SPANS = [
  { hours: 1 / 6, word: "chart.minutes" },
  { hours: 1, word: "chart.hour" },
  { hours: 6, word: "chart.six" },
  { hours: 24, word: "chart.day" },
] as const;
const REFRESH_MS = 5_000;
const MAX_POINTS = 10_000;
const HEIGHT = 200;

@customElement("bt-reading-chart")
export class ReadingChart extends LitElement {
  @property() device = "";
  @property({ attribute: false }) info!: QuantityInfo;
  @property({ type: Number }) interval = 10;
  @state() private hours = 1 / 6;
  @state() private readings: Readings | null = null;
  @state() private problem = "";
  @query(".plot") private place!: HTMLElement;
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
        gap: 5px;
        margin: 4px 0 6px;
      }
      .spans button {
        padding: 2px 10px;
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
      .mark {
        display: inline-block;
        width: 8px;
        height: 8px;
        border: 2px solid var(--danger);
        border-radius: 50%;
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
    this.timer = setInterval(() => void this.load(), REFRESH_MS);
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
      void this.load();
    }
    if (changed.has("readings") || changed.has("info")) this.draw();
  }

  protected override render() {
    const sums = this.readings ? extremes(this.readings.v) : null;
    return html`<div class="spans" role="group" aria-label=${t("chart.span")}>
        ${SPANS.map(
          ({ hours, word }) =>
            html`<button aria-pressed=${this.hours === hours} @click=${() => (this.hours = hours)}>${t(word)}</button>`,
        )}
      </div>
      <div class="plot" role="img" aria-label=${sums ? this.describe() : t("chart.title")} data-points=${sums?.n ?? 0}>
        ${sums?.n === 0 ? html`<span class="empty">${t("chart.empty")}</span>` : nothing}
      </div>
      ${this.readings?.truncated && this.readings.t[0]
        ? html`<p>${t("chart.cut", { at: moment(new Date(this.readings.t[0]).toISOString(), store.nowMs()) })}</p>`
        : nothing}
      ${this.problem ? html`<p class="problem" role="alert">${t("chart.failed")}：${this.problem}</p>` : nothing}
      <ul>
        ${this.readings?.q.some(isDoubtful) ? html`<li><b class="mark"></b> ${t("chart.doubtful")}</li>` : nothing}
        ${this.info.thresholds.map((limit) => this.limit(limit))}
      </ul>`;
  }

  private limit(limit: Threshold) {
    const step = LADDER[limit.severity];
    const text = t(limit.type === "high" ? "chart.above" : "chart.below", {
      limit: SWITCHES.has(this.info.quantity) ? "" : withUnit(limit.raise, this.info.unit),
    });
    return html`<li style="--step:${step.colour}"><i></i> ${step.roman} ${pick(limit.name)} ${text}</li>`;
  }

  private describe(): string {
    const { n, min, max, last } = extremes(this.readings?.v ?? []);
    return t("chart.describe", {
      quantity: pick(this.info),
      n,
      min: measure(min),
      max: measure(max),
      last: measure(last),
    });
  }

  private async load(): Promise<void> {
    const { device, hours } = this;
    const { quantity } = this.info;
    const from = new Date(store.nowMs() - hours * 3_600_000);
    try {
      const readings = await store.api.readings(device, quantity, from, MAX_POINTS);
      if (device !== this.device || quantity !== this.info.quantity || hours !== this.hours) return;
      this.readings = readings;
      this.problem = "";
    } catch (cause) {
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
    const { t: times, good, doubtful } = plot(readings, Math.max(this.interval * 3.5, 5) * 1000);
    const data = [times, good, doubtful] as uPlot.AlignedData;
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
      cursor: { drag: { x: false, y: false } },
      legend: { show: false },
      scales: { x: { time: true, range: () => this.window() }, y: { range: () => this.reach() } },
      axes: [
        { ...ruled, values: (_, splits) => splits.map(hourMinute), space: 60 },
        { ...ruled, size: 52, values: (_, splits) => splits.map(measure), label: unitSign(this.info.unit), labelSize: unitSign(this.info.unit) ? 18 : 0, labelFont: "12px sans-serif" },
      ],
      series: [
        {},
        { stroke: colour("--accent"), width: 2, points: { show: false }, ...stepped },
        { stroke: colour("--danger"), width: 0, paths: () => null, points: { show: true, size: 6 } },
      ],
      hooks: { draw: [(chart) => this.drawLimits(chart)] },
    };
  }

  private window(): [number, number] {
    const now = store.nowMs() / 1000;
    return [now - this.hours * 3600, now];
  }

  private reach(): [number, number] {
    if (SWITCHES.has(this.info.quantity)) return [-0.1, 1.2];
    return axis(this.readings?.v ?? [], this.info.thresholds);
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

const HOUR_MINUTE = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, hour: "2-digit", minute: "2-digit" });

function hourMinute(seconds: number): string {
  return HOUR_MINUTE.format(new Date(seconds * 1000));
}
