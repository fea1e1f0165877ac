// The words of the card that tells about a block or a point of the map.
import { speaker } from "../i18n.ts";
import type { Bilingual } from "../types.ts";

export const PLACE_WORDS = {
  here: { zh: "此处是什么", en: "What is here" },
  found: { zh: "查找结果", en: "Found" },
  noAddress: { zh: "附近没有标准地址", en: "No standard address nearby" },
  away: { zh: "距此 {distance}", en: "{distance} away" },
  nearest: { zh: "最近：", en: "Nearest: " },
  beside: { zh: "此点在其{direction} {distance}", en: "this point is {distance} {direction} of it" },
  outside: { zh: "不在任何区块内", en: "Inside no block" },
  inside: { zh: "所在空间", en: "Lies in" },
  position: { zh: "经度, 纬度", en: "Longitude, latitude" },
  asking: { zh: "正在查询…", en: "Looking up…" },
  devices: { zh: "设备", en: "Devices" },
  why: { zh: "为什么是这个颜色", en: "Why it has this colour" },
  calm: { zh: "没有未结告警。", en: "No open alarm." },
  worst: { zh: "最严重：{level}，{open} 条未结，{unack} 条待确认", en: "Worst: {level}; {open} open, {unack} to acknowledge" },
  since: { zh: "自 {at} 起", en: "since {at}" },
  more: { zh: "另有 {n} 条", en: "{n} more" },
  silent: { zh: "失联最久的设备", en: "Longest silent devices" },
  lastHeard: { zh: "{age}前最后上报", en: "last heard {age} ago" },
  parts: { zh: "内部异常", en: "Trouble inside" },
  part: { zh: "{open} 条告警，{stale} 台中断", en: "open alarms {open}, stale {stale}" },
  scene: { zh: "三维", en: "3D" },
  sceneOf: { zh: "三维查看 {name}", en: "View {name} in 3D" },
  gone: { zh: "此空间已不在现行地图中。", en: "This space is not on the map in force." },
} as const satisfies Record<string, Bilingual>;

export const say = speaker(PLACE_WORDS);
