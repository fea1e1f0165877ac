// Every word of the page in both languages, in one table; Chinese is the first language, the choice is remembered.
import type { Bilingual } from "./types.ts";

export type Lang = "zh" | "en";

export const WORDS = {
  "app.title": { zh: "区块孪生", en: "blocktwin" },
  "app.subtitle": { zh: "城区感知值班台", en: "District sensing desk" },
  "app.skip": { zh: "跳到告警列表", en: "Skip to the alarm list" },
  "app.loading": { zh: "正在载入城区数据…", en: "Loading the district…" },
  "app.close": { zh: "关闭", en: "Close" },
  "app.language": { zh: "English", en: "中文" },
  "app.languageHint": { zh: "切换为英文", en: "Switch to Chinese" },
  "app.clock": { zh: "北京时间", en: "Beijing time" },

  "app.partFailed": {
    zh: "页面的这一部分未能载入，请检查网络后重试。",
    en: "This part of the page could not be loaded. Check the connection and try again.",
  },
  "app.maps": { zh: "地图管理", en: "Block maps" },
  "app.watch": { zh: "告警研判", en: "Alarm desk" },
  "app.duty": { zh: "返回值班台", en: "Back to the duty desk" },
  "app.past": { zh: "查看历史时刻", en: "Look at a past time" },
  "app.live": { zh: "返回实时", en: "Back to live" },

  "theme.auto": { zh: "外观：跟随系统", en: "Appearance: system" },
  "theme.dark": { zh: "外观：深色", en: "Appearance: dark" },
  "theme.light": { zh: "外观：浅色", en: "Appearance: light" },

  "sound.on": { zh: "声音提示：开", en: "Alarm sound: on" },
  "sound.off": { zh: "声音提示：关", en: "Alarm sound: off" },
  "sound.blocked": { zh: "声音待启用：点按页面任意处", en: "Sound waits: click anywhere to enable" },

  "login.title": { zh: "登录值班台", en: "Sign in to the desk" },
  "login.token": { zh: "访问令牌", en: "Access token" },
  "login.hint": {
    zh: "令牌由系统管理员用 blocktwin operator add 生成。",
    en: "The system operator makes a token with: blocktwin operator add",
  },
  "login.submit": { zh: "登录", en: "Sign in" },
  "login.busy": { zh: "正在登录…", en: "Signing in…" },
  "login.wrong": { zh: "令牌无效，请核对后重试。", en: "This token is not valid. Check it and try again." },
  "login.out": { zh: "退出登录", en: "Sign out" },
  "login.viewer": { zh: "只读", en: "read only" },
  "login.operator": { zh: "值班", en: "operator" },
  "login.gis": { zh: "地图管理", en: "map staff" },
  "login.admin": { zh: "管理员", en: "admin" },

  "link.connecting": { zh: "正在连接", en: "Connecting" },
  "link.live": { zh: "实时", en: "Live" },
  "link.lost": { zh: "连接中断", en: "Connection lost" },
  "link.banner": {
    zh: "与服务器的连接已中断，画面停在 {at}（{age}前）。正在重连，期间的变化不会显示。",
    en: "Connection to the server is lost. What you see is from {at} ({age} ago). Reconnecting; changes are not shown meanwhile.",
  },
  "link.never": { zh: "尚未收到服务器数据，正在连接。", en: "No data from the server yet; connecting." },

  "sum.title": { zh: "城区概况", en: "District summary" },
  "sum.devices": { zh: "设备", en: "Devices" },
  "sum.fresh": { zh: "在线", en: "fresh" },
  "sum.stale": { zh: "中断", en: "stale" },
  "sum.never": { zh: "未上报", en: "never" },
  "sum.unplaced": { zh: "未定位", en: "unplaced" },
  "sum.rate": { zh: "读数/秒", en: "readings/s" },
  "sum.open": { zh: "未结告警", en: "Open" },
  "sum.unacknowledged": { zh: "待确认", en: "unacknowledged" },
  "sum.field": { zh: "{field}：{open} 条未结，{unack} 条待确认", en: "{field}: {open} open, {unack} to acknowledge" },

  "field.fire": { zh: "消防", en: "Fire" },
  "field.water": { zh: "水务", en: "Water" },
  "field.slope": { zh: "边坡", en: "Slope" },
  "field.traffic": { zh: "交通", en: "Traffic" },
  "field.system": { zh: "系统", en: "System" },

  "severity.blue": { zh: "蓝色", en: "Blue" },
  "severity.yellow": { zh: "黄色", en: "Yellow" },
  "severity.orange": { zh: "橙色", en: "Orange" },
  "severity.red": { zh: "红色", en: "Red" },
  "severity.level": { zh: "{colour}（{roman}级）", en: "{colour} (level {roman})" },

  "state.unacknowledged": { zh: "待确认", en: "To acknowledge" },
  "state.acknowledged": { zh: "已确认", en: "Acknowledged" },
  "state.returned_unacknowledged": { zh: "已恢复·待确认", en: "Returned, to acknowledge" },
  "state.closed": { zh: "已关闭", en: "Closed" },

  "list.title": { zh: "告警", en: "Alarms" },
  "list.open": { zh: "未结", en: "Open" },
  "list.away": { zh: "已隐藏", en: "Hidden" },
  "list.noneAway": { zh: "没有搁置、抑制或停用的告警", en: "Nothing is shelved, suppressed or out of service" },
  "list.closed": { zh: "已关闭", en: "Closed" },
  "list.filterField": { zh: "按领域筛选", en: "Filter by field" },
  "list.filterSeverity": { zh: "按级别筛选", en: "Filter by level" },
  "list.clear": { zh: "清除筛选", en: "Clear filters" },
  "list.within": { zh: "仅看：{place}", en: "Only: {place}" },
  "list.none": { zh: "没有未结告警", en: "No open alarms" },
  "list.noneFiltered": { zh: "筛选条件下没有告警", en: "No alarms match the filters" },
  "list.noneClosed": { zh: "没有已关闭的告警", en: "No closed alarms" },
  "list.hidden": { zh: "另有 {n} 条未结告警被筛选隐藏", en: "{n} open alarms are hidden by the filters" },
  "list.waiting": { zh: "{n} 条新告警，点按更新列表", en: "{n} new alarms, press to update the list" },
  "list.expand": { zh: "展开告警列表", en: "Expand the alarm list" },
  "list.collapse": { zh: "收起告警列表", en: "Collapse the alarm list" },
  "list.cut": { zh: "告警过多，列表仅显示前 {n} 条", en: "Too many alarms: only the first {n} are listed" },

  "alarm.acknowledge": { zh: "确认", en: "Acknowledge" },
  "alarm.acknowledging": { zh: "确认中…", en: "Acknowledging…" },
  "alarm.close": { zh: "处置关闭", en: "Close…" },
  "alarm.show": { zh: "查看", en: "Show" },
  "alarm.more": { zh: "另有 {n} 条新的严重告警", en: "{n} more severe alarms are new" },
  "alarm.dismissAll": { zh: "全部收起", en: "Hide all" },
  "alarm.dismiss": { zh: "收起提示", en: "Hide this notice" },
  "alarm.new": { zh: "新告警", en: "New alarm" },
  "alarm.escalated": { zh: "告警升级", en: "Alarm escalated" },
  "alarm.reading": { zh: "当时值 {value}，限值 {limit}", en: "Value {value}, limit {limit}" },
  "alarm.silent": { zh: "已静默 {age}", en: "silent for {age}" },
  "alarm.ago": { zh: "{age}前", en: "{age} ago" },
  "alarm.occurrences": { zh: "重复 {n} 次", en: "{n} times" },
  "alarm.peak": { zh: "最高 {level}", en: "peak {level}" },
  "alarm.provisional": { zh: "先行告警：服务器尚未存下，请先核实。", en: "Told before it is stored: check the place first." },
  "alarm.advice": { zh: "处置建议", en: "What to do" },
  "alarm.history": { zh: "经过", en: "History" },
  "alarm.rule": { zh: "规则", en: "Rule" },
  "alarm.ruleVersion": { zh: "{rule}（第 {version} 版）", en: "{rule} (version {version})" },
  "alarm.noPlace": { zh: "未定位", en: "no placement" },
  "alarm.latched": { zh: "须人工关闭", en: "must be closed by hand" },
  "alarm.note": { zh: "补充说明", en: "Add a note" },
  "alarm.noteSend": { zh: "提交说明", en: "Send note" },
  "alarm.noteBusy": { zh: "正在提交…", en: "Sending…" },

  "event.raised": { zh: "发生", en: "raised" },
  "event.escalated": { zh: "升级", en: "escalated" },
  "event.eased": { zh: "降级", en: "eased" },
  "event.returned": { zh: "恢复", en: "returned" },
  "event.acknowledged": { zh: "确认", en: "acknowledged" },
  "event.commented": { zh: "说明", en: "note" },
  "event.assigned": { zh: "指派", en: "assigned" },
  "event.shelved": { zh: "搁置", en: "shelved" },
  "event.unshelved": { zh: "取消搁置", en: "unshelved" },
  "event.suppressed": { zh: "抑制", en: "suppressed" },
  "event.unsuppressed": { zh: "取消抑制", en: "unsuppressed" },
  "event.out_of_service": { zh: "停用检修", en: "out of service" },
  "event.in_service": { zh: "恢复使用", en: "back in service" },
  "event.overdue": { zh: "逾时未确认", en: "overdue: nobody acknowledged" },
  "event.re_alarmed": { zh: "再次提醒", en: "re-alarmed" },
  "event.closed": { zh: "关闭", en: "closed" },

  "close.title": { zh: "处置并关闭告警", en: "Close the alarm" },
  "close.cause": { zh: "结论", en: "Cause" },
  "close.note": { zh: "说明（可选）", en: "Note (optional)" },
  "close.submit": { zh: "关闭告警", en: "Close alarm" },
  "close.busy": { zh: "正在提交…", en: "Sending…" },
  "close.cancel": { zh: "取消", en: "Cancel" },
  "close.pick": { zh: "请选择结论。", en: "Choose a cause." },
  "close.stillActive": {
    zh: "条件尚未恢复：关闭后如仍越限，会重新告警。",
    en: "The condition has not returned: if it lasts, a new alarm will be raised.",
  },
  "cause.true": { zh: "真警", en: "True alarm" },
  "cause.false": { zh: "误报", en: "False alarm" },
  "cause.test": { zh: "测试", en: "Test" },
  "cause.maintenance": { zh: "检修", en: "Maintenance" },
  "cause.returned": { zh: "自动恢复", en: "Returned by itself" },

  "device.title": { zh: "设备", en: "Device" },
  "device.id": { zh: "编号", en: "Id" },
  "device.kind": { zh: "类型", en: "Kind" },
  "device.address": { zh: "地址", en: "Address" },
  "device.position": { zh: "位置", en: "Position" },
  "device.height": { zh: "安装高度", en: "Height" },
  "device.gateway": { zh: "网关", en: "Gateway" },
  "fact.site": { zh: "点位", en: "Site" },
  "fact.space": { zh: "安装于", en: "Installed in" },
  "fact.centre_m": { zh: "距中心（m）", en: "From the centre, m" },
  "fact.along_m": { zh: "沿路位置（m）", en: "Along the road, m" },
  "fact.free_kmh": { zh: "畅通车速（km/h）", en: "Free-flow speed, km/h" },
  "fact.floor": { zh: "楼层", en: "Floor" },
  "fact.room": { zh: "房间", en: "Room" },
  "device.interval": { zh: "上报间隔", en: "Interval" },
  "device.place": { zh: "所在区块", en: "Placement" },
  "device.within": { zh: "落在区块内", en: "inside the block" },
  "device.snapped": { zh: "就近归入", en: "snapped to the nearest" },
  "device.unplaced": { zh: "未定位", en: "unplaced" },
  "device.facts": { zh: "设备信息", en: "Facts" },
  "device.alarms": { zh: "未结告警", en: "Open alarms" },
  "device.noAlarms": { zh: "没有未结告警", en: "No open alarms" },
  "device.latest": { zh: "最新读数", en: "Latest values" },
  "device.noValue": { zh: "没有读数", en: "no reading" },
  "device.online": { zh: "在线", en: "online" },
  "device.offline": { zh: "离线", en: "offline" },
  "device.unknown": { zh: "状态未知", en: "not known" },
  "device.fresh": { zh: "在线", en: "fresh" },
  "device.stale": { zh: "数据中断", en: "stale" },
  "device.never": { zh: "从未上报", en: "never reported" },
  "device.loadFailed": { zh: "设备资料载入失败", en: "The device could not be loaded" },
  "device.refreshFailed": { zh: "刷新失败，以下为 {at} 的数据", en: "Refresh failed; this is from {at}" },
  "device.ofNow": {
    zh: "以下为现在的数值，不是所选历史时刻的。",
    en: "What follows is of now, not of the past time that was chosen.",
  },
  "device.3d": { zh: "三维", en: "3D" },
  "device.scene": { zh: "三维查看 {name}", en: "View {name} in 3D" },
  "device.find": { zh: "查找设备、区块、地址、坐标", en: "Find device, block, address" },
  "device.findHint": {
    zh: "设备编号或名称、区块名称、地址、区划代码，或经纬度（如 114.13, 22.55）",
    en: "Device id or name, block name, address, division code, or position (such as 114.13, 22.55)",
  },
  "device.findNone": { zh: "没有匹配的设备、区块或地址", en: "No such device, block or address" },
  "device.findAsking": { zh: "正在查找地址…", en: "Looking up addresses…" },
  "device.findFailed": { zh: "地址查找失败", en: "Addresses could not be looked up" },
  "device.findGuess": { zh: "猜测", en: "a guess" },
  "device.findLocal": { zh: "设备与区块", en: "Devices and blocks" },
  "device.findAddresses": { zh: "地址", en: "Addresses" },
  "device.switchOn": { zh: "报警", en: "on" },
  "device.switchOff": { zh: "正常", en: "off" },

  "kind.district": { zh: "区", en: "district" },
  "kind.street": { zh: "街道", en: "street" },
  "kind.community": { zh: "社区", en: "community" },
  "kind.grid": { zh: "网格", en: "grid" },
  "kind.block": { zh: "区块", en: "block" },
  "kind.building": { zh: "楼栋", en: "building" },
  "kind.road": { zh: "道路", en: "road" },
  "kind.door": { zh: "门牌", en: "door number" },
  "kind.estate": { zh: "小区", en: "estate" },
  "kind.unit": { zh: "单元", en: "unit" },
  "kind.floor": { zh: "楼层", en: "floor" },
  "kind.room": { zh: "房间", en: "room" },
  "kind.device": { zh: "设备", en: "device" },
  "kind.point": { zh: "坐标点", en: "point" },

  "chart.title": { zh: "曲线", en: "Chart" },
  "chart.minutes": { zh: "10 分钟", en: "10 min" },
  "chart.hour": { zh: "1 小时", en: "1 h" },
  "chart.six": { zh: "6 小时", en: "6 h" },
  "chart.day": { zh: "24 小时", en: "24 h" },
  "chart.week": { zh: "7 天", en: "7 d" },
  "chart.month": { zh: "30 天", en: "30 d" },
  "chart.year": { zh: "1 年", en: "1 y" },
  "chart.single": { zh: "单个读数", en: "single readings" },
  "chart.each": { zh: "每点 {width}", en: "{width} per point" },
  "chart.band": { zh: "色带：最小至最大", en: "band: least to greatest" },
  "chart.mean": { zh: "线：平均值", en: "line: mean" },
  "chart.deleted": { zh: "更细的数据已过保存期", en: "finer data is past its retention" },
  "chart.incomplete": { zh: "部分数据已过保存期", en: "some data is past its retention" },
  "chart.readout": { zh: "{at}：{value}", en: "{at}: {value}" },
  "chart.between": { zh: "{mean}（{min} 至 {max}，{n} 个读数）", en: "{mean} ({min} to {max}, {n} readings)" },
  "chart.hint": { zh: "移到曲线上，或选中后用左右键，可读数值", en: "Point at the curve, or select it and use ← →, to read values" },
  "chart.span": { zh: "时间范围", en: "Time span" },
  "chart.empty": { zh: "这段时间内没有读数", en: "No readings in this span" },
  "chart.failed": { zh: "曲线载入失败", en: "The chart could not be loaded" },
  "chart.describe": {
    zh: "{quantity}：{n} 个读数，最小 {min}，最大 {max}，最新 {last}",
    en: "{quantity}: {n} readings, least {min}, greatest {max}, latest {last}",
  },
  "chart.above": { zh: "高于 {limit}", en: "above {limit}" },
  "chart.below": { zh: "低于 {limit}", en: "below {limit}" },
  "chart.doubtful": { zh: "存疑读数", en: "doubtful readings" },
  "chart.partly": { zh: "逾 10% 读数存疑、未计入", en: "over 10% doubtful, left out" },
  "chart.leftOut": { zh: "{share}% 存疑、未计入", en: "{share}% doubtful, left out" },

  "quality.1": { zh: "超量程", en: "out of range" },
  "quality.2": { zh: "值不变", en: "stuck" },
  "quality.4": { zh: "跳变", en: "jump" },
  "quality.8": { zh: "时钟偏差", en: "clock skew" },
  "quality.16": { zh: "补传", en: "backfilled" },
  "quality.32": { zh: "标定中", en: "calibrating" },
  "quality.64": { zh: "模拟", en: "simulated" },
  "quality.128": { zh: "设备故障", en: "device fault" },
  "quality.256": { zh: "迟到", en: "late" },
  "quality.512": { zh: "重复", en: "duplicate" },

  "map.label": { zh: "城区地图", en: "District map" },
  "map.zoomIn": { zh: "放大", en: "Zoom in" },
  "map.zoomOut": { zh: "缩小", en: "Zoom out" },
  "map.home": { zh: "全区视图", en: "Whole district" },
  "map.tilt": { zh: "立体视图", en: "3D view" },
  "map.flat": { zh: "平面视图", en: "Flat view" },
  "map.devices": { zh: "显示设备", en: "Show devices" },
  "map.legend": { zh: "图例", en: "Legend" },
  "map.none": { zh: "无告警", en: "no alarm" },
  "map.gateway": { zh: "网关", en: "gateway" },
  "map.gatewayOff": { zh: "网关离线", en: "gateway offline" },
  "map.synthetic": { zh: "区块轮廓为合成数据", en: "Block outlines are synthetic" },
  "map.failed": { zh: "地图无法显示：此浏览器不支持 WebGL 2。告警列表不受影响。", en: "The map cannot be drawn: this browser has no WebGL 2. The alarm list still works." },
  "map.blockTip": { zh: "{open} 条未结告警，{devices} 台设备", en: "{open} open alarms, {devices} devices" },

  "problem.network": { zh: "无法连接服务器。", en: "The server cannot be reached." },
  "problem.timeout": { zh: "服务器未在 15 秒内答复。", en: "The server did not answer within 15 s." },
  "problem.unsure": {
    zh: "操作结果未知，请以告警列表为准。",
    en: "Whether it took effect is not known: trust the alarm list.",
  },
  "problem.401": { zh: "登录已失效，请重新登录。", en: "Your session has ended. Sign in again." },
  "problem.403": { zh: "此账号无权执行该操作。", en: "This account may not do this." },
  "problem.404": { zh: "找不到该对象，可能已被移除。", en: "This no longer exists." },
  "problem.409": { zh: "状态已变化，该操作不再适用。", en: "It has changed meanwhile; this action no longer applies." },
  "problem.400": { zh: "提交的内容无法读取。", en: "What was sent cannot be read." },
  "problem.412": { zh: "内容已被他人更改，请核对后重试。", en: "Somebody else changed it meanwhile: check it and try again." },
  "problem.413": { zh: "文件过大。", en: "The file is too large." },
  "problem.422": { zh: "提交的内容不符合要求。", en: "What was sent is not valid." },
  "problem.429": { zh: "请求过于频繁，请稍后再试。", en: "Too many requests; wait a moment." },
  "problem.5xx": { zh: "服务器出错（{status}）。", en: "The server failed ({status})." },
  "problem.other": { zh: "请求失败（{status}）。", en: "The request failed ({status})." },

  "scene.title": { zh: "三维视图", en: "3D view" },
  "scene.label": { zh: "{place} 三维视图", en: "3D view of {place}" },
  "scene.keys": {
    zh: "方向键转动，加减键缩放，Home 键看全貌，Tab 键到设备列表。",
    en: "Arrow keys turn, plus and minus zoom, Home shows all of it, Tab leads to the list of devices.",
  },
  "scene.loading": { zh: "正在载入三维视图…", en: "Loading the 3D view…" },
  "scene.blind": {
    zh: "三维视图无法显示：此浏览器不支持 WebGL 2。设备列表仍可使用。",
    en: "The 3D view cannot be drawn: this browser has no WebGL 2. The list of devices still works.",
  },
  "scene.tools": { zh: "视图工具", en: "View tools" },
  "scene.through": { zh: "建筑透视", en: "See through buildings" },
  "scene.list": { zh: "设备列表", en: "List of devices" },
  "scene.nearer": { zh: "放大", en: "Nearer" },
  "scene.farther": { zh: "缩小", en: "Farther" },
  "scene.home": { zh: "查看全貌", en: "Show all of it" },
  "scene.compass": { zh: "指北针", en: "Compass" },
  "scene.none": { zh: "此处没有设备", en: "No device stands here" },
  "scene.buildings": { zh: "{n} 栋建筑", en: "{n} buildings" },
  "scene.devices": { zh: "{n} 台设备", en: "{n} devices" },
  "scene.surveyed": { zh: "测量于 {at}", en: "surveyed {at}" },
  "scene.angle": { zh: "坡度", en: "Slope angle" },
  "scene.slope": { zh: "坡度 {deg}°", en: "slope {deg}°" },
  "scene.aspect": { zh: "坡向{wind} {deg}°", en: "facing {wind} {deg}°" },
  "scene.height": { zh: "高 {m} 米", en: "{m} m high" },
  "scene.noHeight": { zh: "高度未知", en: "height unknown" },
  "scene.placeholder": {
    zh: "{n} 栋建筑高度未知，半透明并按一层示意",
    en: "{n} buildings of unknown height: drawn translucent, one storey high",
  },
  "scene.partly": { zh: "测量只覆盖部分地面，其余按平地示意", en: "Surveyed in part; the rest of the ground is drawn flat" },
  "scene.synthetic": { zh: "地形为合成数据", en: "This ground is synthetic" },
  "scene.n": { zh: "北", en: "north" },
  "scene.ne": { zh: "东北", en: "north-east" },
  "scene.e": { zh: "东", en: "east" },
  "scene.se": { zh: "东南", en: "south-east" },
  "scene.s": { zh: "南", en: "south" },
  "scene.sw": { zh: "西南", en: "south-west" },
  "scene.w": { zh: "西", en: "west" },
  "scene.nw": { zh: "西北", en: "north-west" },
} as const satisfies Record<string, Bilingual>;

export type Word = keyof typeof WORDS;

const KEPT = "blocktwin.lang";
let current: Lang = "zh";
const listeners = new Set<() => void>();

export function lang(): Lang {
  return current;
}

/** Change the language for everything that listens, and remember it. */
export function setLang(next: Lang): void {
  current = next;
  if (typeof localStorage !== "undefined") localStorage.setItem(KEPT, next);
  if (typeof document !== "undefined") document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
  for (const listener of listeners) listener();
}

/** Take up the remembered language; Chinese when there is none. */
export function restoreLang(): void {
  setLang(localStorage.getItem(KEPT) === "en" ? "en" : "zh");
}

export function onLang(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export type Values = Record<string, string | number>;

/**
 * The speaker of one table: a word in the chosen language, its `{name}` places filled from `values`.
 * Views that load late bring tables of their own, so that the first map does not wait for their words.
 */
export function speaker<T extends Record<string, Bilingual>>(
  words: T,
): (word: keyof T & string, values?: Values) => string {
  return (word, values = {}) =>
    (words[word] as Bilingual)[current].replace(/\{(\w+)\}/g, (place, name: string) =>
      name in values ? String(values[name]) : place,
    );
}

export const t = speaker(WORDS);

/** The chosen language of a name the server sends in both; the other one when it is empty. */
export function pick(text: Bilingual): string {
  return current === "zh" ? text.zh || text.en : text.en || text.zh;
}

/** The chosen language of a space's name. */
export function placeName(place: { name: string; name_en: string }): string {
  return pick({ zh: place.name, en: place.name_en });
}

/** What level of the world a space or an address is of; a level this page has no word for stands as it is. */
export function levelWord(level: string): string {
  const key = `kind.${level}`;
  return key in WORDS ? t(key as Word) : level;
}
