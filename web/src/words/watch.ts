// The words of the desk for incidents, rules and the alarm report, and of what can be done to an alarm.
import { speaker } from "../i18n.ts";
import type { Bilingual } from "../types.ts";

export const WATCH_WORDS = {
  title: { zh: "告警研判", en: "Alarm desk" },
  loading: { zh: "正在载入…", en: "Loading…" },
  back: { zh: "返回列表", en: "Back to the list" },

  incidents: { zh: "事件", en: "Incidents" },
  report: { zh: "告警报告", en: "Report" },
  rules: { zh: "规则", en: "Rules" },
  rosters: { zh: "值班表", en: "Rosters" },

  "incident.open": { zh: "进行中", en: "Open" },
  "incident.closed": { zh: "已结束", en: "Closed" },
  "incident.none": { zh: "没有进行中的事件。", en: "No open incidents." },
  "incident.noneClosed": { zh: "没有已结束的事件。", en: "No closed incidents." },
  "incident.alarms": { zh: "{n} 条告警，{unack} 条待确认", en: "{n} alarms, {unack} to acknowledge" },
  "incident.since": { zh: "{at} 起，最近 {last}", en: "since {at}, latest {last}" },
  "incident.show": { zh: "在地图上查看", en: "Show on the map" },
  "incident.acknowledge": { zh: "全部确认", en: "Acknowledge all" },

  "report.span": { zh: "时段", en: "Span" },
  "report.day": { zh: "24 小时", en: "24 h" },
  "report.week": { zh: "7 天", en: "7 d" },
  "report.month": { zh: "30 天", en: "30 d" },
  "report.alarms": { zh: "告警 {n} 条", en: "{n} alarms" },
  "report.targets": { zh: "指标（EEMUA 191、ISA-18.2）", en: "Targets (EEMUA 191, ISA-18.2)" },
  "report.ok": { zh: "达标", en: "met" },
  "report.notOk": { zh: "未达标", en: "missed" },
  "report.unknown": { zh: "无数据", en: "no data" },
  "report.limit": { zh: "限 {limit}", en: "limit {limit}" },
  "report.priorities": { zh: "按级别", en: "By level" },
  "report.confirmed": { zh: "处置结论", en: "Causes" },
  "report.trueShare": { zh: "真警占比 {share}", en: "{share} were true" },
  "report.top": { zh: "最多的告警源", en: "Most frequent sources" },
  "report.chattering": { zh: "反复跳变", en: "Chattering" },
  "report.times": { zh: "{n} 次", en: "{n} times" },
  "report.stale": { zh: "超过 24 小时未结：{n} 条", en: "Open for more than 24 h: {n}" },
  "report.none": { zh: "无", en: "none" },

  "target.per_operator_10min": { zh: "每人每 10 分钟告警", en: "Alarms per operator in 10 min" },
  "target.flood_share": { zh: "告警泛滥时段占比", en: "Share of time in flood" },
  "target.chattering": { zh: "反复跳变的告警", en: "Chattering alarms" },
  "target.stale": { zh: "长期未结的告警", en: "Stale alarms" },
  "target.top_share": { zh: "前十告警源占比", en: "Share of the ten most frequent" },
  "target.blue_share": { zh: "蓝色占比（至少）", en: "Share of blue (at least)" },
  "target.yellow_share": { zh: "黄色占比", en: "Share of yellow" },
  "target.orange_share": { zh: "橙色占比", en: "Share of orange" },
  "target.red_share": { zh: "红色占比", en: "Share of red" },

  "rule.none": { zh: "还没有规则。", en: "No rules yet." },
  "rule.version": { zh: "第 {n} 版", en: "version {n}" },
  "rule.loaded": { zh: "{by} 于 {at} 载入", en: "loaded by {by}, {at}" },
  "rule.overrides": { zh: "{n} 台设备另有设定", en: "{n} devices have their own" },
  "rule.lifeSafety": { zh: "生命安全", en: "life safety" },
  "rule.advisory": { zh: "仅提示", en: "advisory" },
  "rule.source": { zh: "依据", en: "Source" },
  "rule.field": { zh: "类别", en: "Field" },
  "rule.all": { zh: "全部", en: "All" },

  "trial.title": { zh: "用历史数据试算", en: "Try it on history" },
  "trial.hint": {
    zh: "留空则试算现行规则；也可粘贴修改后的规则（TOML），与现行规则比较。",
    en: "Empty tries the rule in force; or paste a changed rule (TOML) to compare it with the one in force.",
  },
  "trial.text": { zh: "规则文本（TOML，可留空）", en: "Rule text (TOML, may stay empty)" },
  "trial.run": { zh: "试算", en: "Try" },
  "trial.busy": { zh: "正在试算…", en: "Trying…" },
  "trial.done": {
    zh: "{series} 个序列、{readings} 个读数，用时 {seconds} 秒",
    en: "{series} series, {readings} readings, in {seconds} s",
  },
  "trial.candidate": { zh: "试算", en: "Tried" },
  "trial.inForce": { zh: "现行", en: "In force" },
  "trial.alarms": { zh: "告警", en: "Alarms" },
  "trial.woken": { zh: "惊动值班员", en: "People woken" },
  "trial.peak": { zh: "10 分钟最多", en: "Most in 10 min" },
  "trial.perDay": { zh: "每天", en: "A day" },
  "trial.devices": { zh: "设备（{n} 台，已画在地图上）", en: "Devices ({n}, drawn on the map)" },
  "trial.list": { zh: "告警清单", en: "The alarms" },
  "trial.cut": { zh: "只列前 {n} 条。", en: "Only the first {n}." },
  "trial.lasted": { zh: "至 {at}", en: "until {at}" },
  "trial.open": { zh: "未恢复", en: "not returned" },
  "trial.quiet": { zh: "这段时间内不会告警。", en: "It would have raised nothing in this span." },

  "roster.none": { zh: "还没有值班表。用 blocktwin roster set 录入。", en: "No rosters yet. Enter them with: blocktwin roster set" },
  "level.micro_station": { zh: "微型消防站", en: "micro fire station" },
  "level.squadron": { zh: "消防中队", en: "squadron" },
  "level.brigade": { zh: "消防大队", en: "brigade" },
  "level.community": { zh: "社区", en: "community" },
  "level.street": { zh: "街道", en: "street" },
  "level.district": { zh: "区", en: "district" },

  "acts.more": { zh: "更多处置", en: "More actions" },
  "acts.assign": { zh: "指派", en: "Assign" },
  "acts.shelve": { zh: "搁置", en: "Shelve" },
  "acts.unshelve": { zh: "取消搁置", en: "Unshelve" },
  "acts.suppress": { zh: "抑制", en: "Suppress" },
  "acts.unsuppress": { zh: "取消抑制", en: "Unsuppress" },
  "acts.out-of-service": { zh: "停用检修", en: "Out of service" },
  "acts.in-service": { zh: "恢复使用", en: "Back in service" },
  "acts.to": { zh: "指派给", en: "Assign to" },
  "acts.why": { zh: "原因（必填）", en: "Reason (required)" },
  "acts.by": { zh: "被什么抑制", en: "Suppressed by" },
  "acts.order": { zh: "工单号", en: "Work order" },
  "acts.minutes": { zh: "时长", en: "For" },
  "acts.hour": { zh: "{n} 小时", en: "{n} h" },
  "acts.halfHour": { zh: "30 分钟", en: "30 min" },
  "acts.do": { zh: "执行", en: "Do it" },
  "acts.busy": { zh: "正在提交…", en: "Sending…" },
  "acts.missing": { zh: "请填写：{what}", en: "Please fill in: {what}" },

  "hidden.shelved": { zh: "已搁置", en: "Shelved" },
  "hidden.suppressed": { zh: "已抑制", en: "Suppressed" },
  "hidden.out_of_service": { zh: "停用检修", en: "Out of service" },
  "hidden.until": { zh: "至 {at}", en: "until {at}" },
  "hidden.goesOn": { zh: "条件照常判断，不计入颜色与待确认数。", en: "It is judged on; it counts in no colour and no total." },
  "alarm.assigned": { zh: "负责人：{name}", en: "Assigned to {name}" },
  "alarm.lifeSafety": { zh: "生命安全", en: "life safety" },
  "alarm.advisory": { zh: "仅提示，不通知人员", en: "advisory: nobody is called" },
  "alarm.occurrences": { zh: "历次发生", en: "Occurrences" },
  "alarm.peak": { zh: "峰值 {value}", en: "peak {value}" },
} as const satisfies Record<string, Bilingual>;

export const say = speaker(WATCH_WORDS);
export type WatchWord = keyof typeof WATCH_WORDS;

/** A word by its whole key, or the key's last part where this page does not know it. */
export function sayOf(key: string): string {
  if (key in WATCH_WORDS) return say(key as WatchWord);
  return key.slice(key.indexOf(".") + 1).replaceAll("_", " ");
}
