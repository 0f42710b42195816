/** Every word of the page in both languages. Names of plant, tags and alarms come from the configuration instead. */

import { signal } from "@preact/signals";
import { nameIn, type Language } from "./model/format";
import type { Names } from "./model/contract";

const texts = {
  overview: ["总览", "Overview"],
  alarms: ["报警", "Alarms"],
  trend: ["趋势", "Trend"],
  line: ["生产线", "Line"],
  area: ["车间公用", "Workshop"],
  plantWide: ["全厂公用", "Plant-wide"],
  shared: ["公用设备", "Shared equipment"],
  noRoom: ["未分配房间", "No room assigned"],
  loading: ["正在读取工厂配置…", "Reading the plant…"],
  loadFailed: ["读不到工厂配置，将自动重试。", "The plant cannot be read; trying again."],

  dataAge: ["数据", "Data"],
  noData: ["无数据", "No data"],
  hornSounding: ["喇叭鸣响", "Horn sounding"],
  hornSilenced: ["已消音", "Silenced"],
  hornQuiet: ["喇叭静", "Horn quiet"],
  hornUnknown: ["喇叭未知", "Horn unknown"],
  hornUnconfirmed: ["喇叭未证实", "Horn not confirmed"],
  silence: ["消音", "Silence"],
  soundOff: ["声音关 · 点击开启", "SOUND OFF · click"],
  soundOn: ["声音开", "Sound on"],
  soundNone: ["本浏览器无声音", "No sound here"],
  setAside: ["搁置/抑制/停用", "Shelved, suppressed, out of service"],
  unackOfTotal: ["未确认/总数", "unacknowledged/total"],
  login: ["登录", "Log in"],
  logout: ["退出", "Log out"],
  user: ["用户", "User"],
  password: ["密码", "Password"],
  cancel: ["取消", "Cancel"],
  loginWrong: ["用户名或密码不对。请重新输入。", "User or password is wrong. Enter them again."],
  dayTheme: ["日间", "Day"],
  nightTheme: ["夜间", "Night"],
  otherLanguage: ["English", "中文"],

  lostSilent: ["与服务器的连接中断，正在重连。以下数值均为旧值。", "No messages from the server; reconnecting. Every value below is old."],
  lostEngine: ["服务器收不到采集引擎的数据。以下数值均为旧值。", "The server has lost the engine's feed. Every value below is old."],

  acknowledge: ["确认", "Acknowledge"],
  acknowledged: ["已确认", "Acknowledged"],
  comment: ["备注（可不填）", "Comment (optional)"],
  noUnacknowledged: ["无未确认报警", "No unacknowledged alarms"],
  noAlarms: ["当前无报警", "No alarms stand now"],
  alarmsUnknown: ["数据中断：报警状态未知", "Data lost: alarm states unknown"],
  more: ["另有", "more"],
  newWaiting: ["条新报警 ↑", "new ↑"],
  loginToAct: ["登录后可操作", "Log in to act"],
  notPermitted: ["当前角色无此权限", "Your role may not do this"],
  feedLostAct: ["数据中断，暂不能操作", "Not while data is lost"],
  sending: ["发送中…", "Sending…"],

  priority: ["级", "P"],
  state: ["状态", "State"],
  onset: ["发生", "Onset"],
  duration: ["持续", "Duration"],
  place: ["位置", "Place"],
  message: ["报警内容", "Message"],
  tripLimit: ["触发值 / 限值", "Trip / limit"],
  currentValue: ["当前值", "Now"],
  response: ["应对措施", "Response"],
  acknowledgedBy: ["确认人 / 时间", "Acknowledged by"],

  particles05: ["≥0.5 µm", "≥0.5 µm"],
  particles5: ["≥5 µm", "≥5 µm"],
  chamberPressure: ["腔体压差", "Chamber"],
  inflow: ["吸入风速", "Inflow"],
  temperature: ["温度", "Temp"],
  roomTemperature: ["室温", "Room"],
  cell: ["舱", "Cell"],
  cells: ["培养舱", "Cells"],
  incubators: ["培养箱", "Incubators"],
  cascade: ["压差梯度", "Pressure cascade"],
  grade: ["级", "Grade"],
  doorOpen: ["门开", "Open"],
  atRest: ["静态", "At rest"],
  inOperation: ["动态", "In operation"],
  isolatorMode: ["隔离器", "Isolator"],
  bscMode: ["安全柜", "BSC"],
  age: ["时龄", "Age"],
  allTags: ["全部测点", "All tags"],
  limits: ["限值", "Limits"],
  setpoint: ["设定", "Setpoint"],
  range: ["量程", "Range"],
  low: ["低", "Low"],
  high: ["高", "High"],

  lastHour: ["最近 1 小时", "Last hour"],
  trendChoose: ["点击任一数值，在此看它的趋势。", "Click any value to see its trend here."],
  trendText: ["文本没有趋势。", "A text has no trend."],
  trendLoading: ["正在读取历史…", "Reading history…"],
  trendFailed: ["历史读取失败，只显示实时数据。", "History could not be read; showing live data only."],
  trendGap: ["缺口 / 坏值", "Gap or Bad"],
  trendUncertain: ["不确定", "Uncertain"],

  good: ["良好", "Good"],
  uncertain: ["不确定", "Uncertain"],
  bad: ["坏", "Bad"],
  stale: ["过时", "Stale"],
  missing: ["缺失", "Missing"],

  stateUnacknowledged: ["未确认", "Unacknowledged"],
  stateAcknowledged: ["已确认", "Acknowledged"],
  stateReturned: ["已恢复，未确认", "Returned, unack."],
  stateLatchedUnacknowledged: ["锁存，未确认", "Latched, unack."],
  stateLatchedAcknowledged: ["锁存，已确认", "Latched, ack."],
  stateShelved: ["搁置", "Shelved"],
  stateSuppressed: ["设计抑制", "Suppressed"],
  stateOutOfService: ["停用", "Out of service"],

  refusedLogin: ["登录已过期。请重新登录。", "Your login has ended. Log in again."],
  refusedRole: ["当前角色不可操作。请有权限的人员操作。", "Your role may not do this. Ask someone who may."],
  refusedGone: ["此报警已不存在，列表将更新。", "This alarm no longer stands; the list will update."],
  refusedOlder: ["已有更新的一次报警。请核对后再确认。", "A newer occurrence stands. Look at it, then acknowledge."],
  refusedNetwork: ["未送达服务器。连接恢复后重试。", "It did not reach the server. Try again when connected."],
  refusedOther: ["服务器未接受。稍后重试。", "The server did not accept it. Try again shortly."],
} satisfies Record<string, [zh: string, en: string]>;

export type TextKey = keyof typeof texts;

/** Words for the quality reasons of OPC UA; one that is not here is shown as it came. */
const reasons: Record<string, [zh: string, en: string]> = {
  BadNoCommunication: ["无通信", "no comms"],
  BadCommunicationError: ["通信错误", "comms error"],
  BadTimeout: ["超时", "timeout"],
  BadNotConnected: ["未连接", "not connected"],
  BadSensorFailure: ["传感器故障", "sensor fault"],
  BadDeviceFailure: ["设备故障", "device fault"],
  BadOutOfRange: ["超量程", "out of range"],
  BadOutOfService: ["停用", "out of service"],
  BadWaitingForInitialData: ["等待首值", "waiting"],
  BadInvalidTimestamp: ["数据停滞", "stale"],
  BadNoData: ["无数据", "no data"],
  UncertainSensorNotAccurate: ["传感器不准", "sensor inaccurate"],
  UncertainLastUsableValue: ["末次可用值", "last usable value"],
  UncertainEngineeringUnitsExceeded: ["超出量程", "beyond its range"],
  UncertainNoCommunicationLastUsableValue: ["数据停滞", "stale"],
  UncertainSensorCalibration: ["校准无效", "calibration not valid"],
};

const STORED = "telemetry.language";

export const language = signal<Language>(localStorage.getItem(STORED) === "en" ? "en" : "zh");

language.subscribe((chosen) => {
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  localStorage.setItem(STORED, chosen);
});

export function switchLanguage(): void {
  language.value = language.value === "zh" ? "en" : "zh";
}

export function t(key: TextKey): string {
  return texts[key][language.value === "zh" ? 0 : 1];
}

export function named(names: Names): string {
  return nameIn(names, language.value);
}

export function reasonText(reason: string | null): string | null {
  if (reason === null) return null;
  return reasons[reason]?.[language.value === "zh" ? 0 : 1] ?? reason.replace(/^(Bad|Uncertain)/, "");
}
