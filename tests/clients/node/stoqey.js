// node stoqey.js PORT CLIENT_ID: the library for Node.js, by its events.
"use strict";
const readline = require("readline");
const { EventName, IBApi } = require("@stoqey/ib");

const PATIENCE_MS = 5000;
const [port, clientId] = process.argv.slice(2).map(Number);
const api = new IBApi({ host: "127.0.0.1", port, clientId, maxReqPerSec: 1000 });

const UNSET = 1.7976931348623157e308;
const cleaned = (value) => (value === UNSET || Number.isNaN(value) || value === undefined ? null : value);

/** One line about one event, in the words of talk.py. */
function saw(what, facts = {}) {
  const line = { saw: what };
  for (const [key, value] of Object.entries(facts)) line[key] = cleaned(value);
  process.stdout.write(JSON.stringify(line) + "\n");
}

const orderSeen = (contract, order, state) => ({
  symbol: contract.symbol,
  action: order.action,
  quantity: order.totalQuantity,
  type: order.orderType,
  limit: order.lmtPrice,
  aux: order.auxPrice,
  trail_stop: order.trailStopPrice,
  trail_pct: order.trailingPercent,
  tif: order.tif,
  parent: order.parentId ?? 0,
  oca: order.ocaGroup,
  ref: order.orderRef ?? "",
  account: order.account,
  perm: order.permId,
  what_if: order.whatIf ?? false,
  status: state.status,
});

// The answer that a command waits for, and the gateway's time after it.
let answered = () => {};
let toldTime = () => {};
let asked = "";
let bars = [];

api.on(EventName.managedAccounts, (accounts) => saw("accounts", { accounts }));
api.on(EventName.nextValidId, (id) => { saw("next_id", { id }); answered(); });
api.on(EventName.error, (error, code, id) => {
  saw("error", { id, code, text: error.message });
  answered();
});
api.on(EventName.info, (text, code) => saw("error", { id: -1, code, text }));
api.on(EventName.disconnected, () => answered());
api.on(EventName.currentTime, () => toldTime());
api.on(EventName.openOrder, (id, contract, order, state) => {
  saw("order", { id, ...orderSeen(contract, order, state) });
  if (order.whatIf) saw("margin", { change: Number(state.initMarginChange), commission: state.commission });
});
api.on(EventName.openOrderEnd, () => { saw("orders_end"); answered(); });
api.on(EventName.completedOrder, (contract, order, state) =>
  saw("completed", {
    done: state.completedStatus, at: state.completedTime, filled: order.filledQuantity,
    ...orderSeen(contract, order, state),
  }));
api.on(EventName.completedOrdersEnd, () => answered());
api.on(EventName.orderStatus,
  (id, status, filled, remaining, average, perm, parent, last, client, why) =>
    saw("status", { id, status, filled, remaining, average, perm, parent, last, client, why: why ?? "" }));
api.on(EventName.execDetails, (request, contract, execution) =>
  saw("execution", {
    request, id: execution.orderId, symbol: contract.symbol, side: execution.side, shares: execution.shares,
    price: execution.price, exec_id: execution.execId, time: execution.time.split(/\s+/).slice(0, 2).join(" "),
    perm: execution.permId, total: execution.cumQty, ref: execution.orderRef ?? "",
  }));
api.on(EventName.execDetailsEnd, () => answered());
api.on(EventName.commissionReport, (report) =>
  saw("commission", { exec_id: report.execId, amount: report.commission, earned: report.realizedPNL }));
api.on(EventName.position, (account, contract, quantity, cost) =>
  saw("position", { account, symbol: contract.symbol, quantity, cost }));
api.on(EventName.positionEnd, () => answered());
for (const event of [EventName.tickPrice, EventName.tickSize, EventName.tickString, EventName.tickGeneric])
  api.on(event, (request, kind, value) => saw("tick", { request, kind, value }));
api.on(EventName.marketDataType, (request, kind) => saw("data_type", { request, kind }));
api.on(EventName.contractDetails, (_request, found) => {
  numbers[found.contract.symbol] = found.contract.conId;
  saw("details", { symbol: found.contract.symbol, id: found.contract.conId, min_tick: found.minTick });
});
api.on(EventName.contractDetailsEnd, () => answered());
api.on(EventName.updateAccountValue, (key, value) => {
  if (key === "TotalCashValue" && asked === "account") saw("cash", { value: Number(value) });
});
api.on(EventName.accountDownloadEnd, () => answered());
api.on(EventName.accountSummary, (_request, _account, tag, value) => {
  if (tag === "NetLiquidation" && asked === "summary") saw("worth", { value: Number(value) });
});
api.on(EventName.accountSummaryEnd, () => answered());
api.on(EventName.historicalData, (_request, time, open, high, low, close) => {
  if (String(time).startsWith("finished")) answered();
  else bars.push([open, high, low, close]);
});

api.on(EventName.headTimestamp, (_request, time) => { saw("head", { time: Number(time) }); answered(); });
api.on(EventName.historicalTicksLast, (_request, ticks) => {
  saw("past_ticks", { ticks: ticks.map((tick) => [tick.price, tick.size]) });
  answered();
});
api.on(EventName.tickByTickAllLast, (_request, _kind, time, price, size) =>
  saw("single", { time: Number(time), price, size }));
api.on(EventName.realtimeBar, (_request, time, open, high, low, close, _volume, _wap, count) =>
  saw("live_bar", { time, prices: [open, high, low, close], count }));
api.on(EventName.pnl, (_request, daily, unrealized, realized) => saw("profit", { daily, unrealized, realized }));
api.on(EventName.pnlSingle, (_request, quantity, ...figures) =>
  saw("profit_of_one", { quantity, figures: figures.map(cleaned) }));
api.on(EventName.positionMulti, (_request, account, _model, contract, quantity, cost) =>
  saw("position_multi", { account, symbol: contract.symbol, quantity, cost }));
api.on(EventName.positionMultiEnd, () => answered());
api.on(EventName.symbolSamples, (_request, found) => {
  saw("matching", { symbols: found.map((each) => each.contract.symbol) });
  answered();
});
api.on(EventName.marketRule, (_rule, steps) => {
  saw("rule", { steps: steps.map((step) => [step.lowEdge, step.increment]) });
  answered();
});

let requests = 0;
const numbers = {};
const streams = {};
const stock = ({ symbol }) => ({ symbol, secType: "STK", exchange: "SMART", currency: "USD" });

// What it can do; true where an answer is to be waited for.
const doing = {
  connect: () => { api.connect(); return true; },
  leave: () => { api.disconnect(); },
  details: (wanted) => { api.reqContractDetails(++requests, stock(wanted)); return true; },
  stream: (wanted) => {
    streams[wanted.symbol] = ++requests;
    api.reqMktData(requests, stock(wanted), "", false, false);
  },
  unstream: (wanted) => { api.cancelMktData(streams[wanted.symbol]); },
  place: (wanted) => { api.placeOrder(wanted.order.orderId, stock(wanted), wanted.order); },
  cancel: (wanted) => { api.cancelOrder(wanted.id); },
  cancel_all: () => { api.reqGlobalCancel(); },
  positions: () => { api.reqPositions(); return true; },
  open_orders: () => { api.reqOpenOrders(); return true; },
  completed: () => { api.reqCompletedOrders(false); return true; },
  executions: () => { api.reqExecutions(++requests, {}); return true; },
  account: () => { api.reqAccountUpdates(true, ""); return true; },
  summary: () => { api.reqAccountSummary(++requests, "All", "NetLiquidation"); return true; },
  history: (wanted) => {
    bars = [];
    api.reqHistoricalData(++requests, stock(wanted), "", wanted.duration, wanted.bar, "TRADES", 1, 2, false);
    return true;
  },
  head: (wanted) => { api.reqHeadTimestamp(++requests, stock(wanted), "TRADES", true, 2); return true; },
  past_ticks: (wanted) => {
    api.reqHistoricalTicks(++requests, stock(wanted), wanted.start, "", 10, "TRADES", 1, false);
    return true;
  },
  singles: (wanted) => { api.reqTickByTickData(901, stock(wanted), "AllLast", 0, false); },
  live_bars: (wanted) => { api.reqRealTimeBars(902, stock(wanted), 5, "TRADES", true); },
  profit: (wanted) => {
    api.reqPnL(903, wanted.account, "");
    api.reqPnLSingle(904, wanted.account, "", numbers[wanted.symbol]);
  },
  no_more: () => {
    api.cancelTickByTickData(901);
    api.cancelRealTimeBars(902);
    api.cancelPnL(903);
    api.cancelPnLSingle(904);
    api.cancelPositionsMulti(905);
  },
  positions_multi: (wanted) => { api.reqPositionsMulti(905, wanted.account, ""); return true; },
  matching: (wanted) => { api.reqMatchingSymbols(++requests, wanted.pattern); return true; },
  rule: (wanted) => { api.reqMarketRule(wanted.rule); return true; },
  wait: () => {}, // see insync.py
  belief: () => {},
};

const answer = () => new Promise((resolve) => {
  const late = setTimeout(() => { saw("silence", { about: asked }); resolve(); }, PATIENCE_MS);
  answered = () => { clearTimeout(late); answered = () => {}; resolve(); };
});

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const wanted = JSON.parse(line);
    asked = wanted.do;
    const waiting = answer();
    if (!doing[asked](wanted)) answered();
    await waiting;
    if (asked === "connect") saw("version", { version: api.serverVersion });
    if (asked === "history") saw("bars", { bars });
    if (api.isConnected) {
      const time = new Promise((resolve) => { toldTime = resolve; });
      api.reqCurrentTime();
      await time;
    }
    saw("done");
  }
  process.exit(0);
}

main();
