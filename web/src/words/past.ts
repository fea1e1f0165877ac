// The words of the look into the past.
import { speaker } from "../i18n.ts";
import type { Bilingual } from "../types.ts";

export const PAST_WORDS = {
  title: { zh: "历史画面，不是现在", en: "The past, not now" },
  shows: { zh: "地图与计数为 {at} 的状态（{age}前）", en: "Map and counts as of {at} ({age} ago)" },
  choose: { zh: "请选择时刻", en: "Choose a time" },
  loading: { zh: "正在载入 {at} 的状态…", en: "Loading the state of {at}…" },
  failed: { zh: "载入失败", en: "Could not be loaded" },
  future: { zh: "不能选择将来的时刻。", en: "The future cannot be chosen." },
  when: { zh: "时刻（北京时间）", en: "Time (Beijing)" },
  slider: { zh: "最近 24 小时", en: "The last 24 hours" },
  earlier: { zh: "早 {n} 分钟", en: "{n} min earlier" },
  later: { zh: "晚 {n} 分钟", en: "{n} min later" },
  live: { zh: "返回实时", en: "Back to live" },
  liveKey: { zh: "返回实时（Esc 键）", en: "Back to live (Esc)" },
  listTitle: { zh: "当时有告警的设备", en: "Devices in alarm then" },
  listNone: { zh: "当时没有设备处于告警", en: "No device was in alarm then" },
  listCut: { zh: "仅显示前 {n} 台", en: "Only the first {n} are listed" },
  noActing: {
    zh: "历史画面中不能确认或关闭告警；新的严重告警仍会提示。",
    en: "Alarms cannot be acted on while you look at the past; new severe alarms are still shown.",
  },
} as const satisfies Record<string, Bilingual>;

export const say = speaker(PAST_WORDS);
