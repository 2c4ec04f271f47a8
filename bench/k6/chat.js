// The load of `bench/accuracy.py` as a k6 script: one session a virtual user, and what k6 makes of
// its waits. Settings come from the environment; the end-of-test summary goes to the file SUMMARY.
import http from "k6/http";
import exec from "k6/execution";
import { Trend } from "k6/metrics";

const { WebSocket } = websockets();

const HOST = __ENV.TARGET;
const USERS = Number(__ENV.USERS);
const RAMP = Number(__ENV.RAMP); // seconds over which they come
const WARM_UP = Number(__ENV.WARM_UP); // seconds from the start that are left out
const SECONDS = Number(__ENV.SECONDS); // from the start to the end
const QUIET = Number(__ENV.QUIET); // of these, seconds at the end in which nothing new is said
const THINK = Number(__ENV.THINK); // seconds from an answer to the next message, on average

export const options = {
  scenarios: {
    chat: { executor: "per-vu-iterations", vus: USERS, iterations: 1, maxDuration: `${SECONDS + 30}s` },
  },
  summaryTrendStats: ["count", "p(50)", "p(90)", "p(99)", "max"],
};

const trends = {
  echo: new Trend("echo", true),
  first_chunk: new Trend("first_chunk", true),
  chunk_gap: new Trend("chunk_gap", true),
  response: new Trend("response", true),
};

function websockets() {
  try {
    return require("k6/websockets");
  } catch (_) {
    return require("k6/experimental/websockets"); // where it was before
  }
}

export default function () {
  const begin = exec.scenario.startTime; // milliseconds on the wall clock, as Date.now()
  const api = `${HOST}/api/v1`;
  const json = { "Content-Type": "application/json" };
  const wait = begin + ((exec.vu.idInTest - 1) / USERS) * RAMP * 1000 - Date.now();
  setTimeout(() => {
    const identity = { "X-Token": __ENV.POLY_CONNECTOR_TOKEN, "X-Host": __ENV.POLY_HOST_IDENTIFIER };
    const token = http
      .post(`${api}/access-token`, "{}", { headers: Object.assign({}, json, identity) })
      .json("access_token");
    const session = http
      .post(`${api}/sessions`, JSON.stringify({ streaming_enabled: true, platform: "web" }), {
        headers: Object.assign({}, json, { Authorization: `Bearer ${token}` }),
      })
      .json("session_id");
    converse(`${HOST.replace("http", "ws")}/ws?session_id=${session}&access_token=${token}`, begin);
  }, Math.max(1, wait));
}

function converse(url, begin) {
  const socket = new WebSocket(url);
  let turn = null; // the message under way
  let chunkAt = null; // when the last chunk of the answer under way came
  let number = 0;
  const over = begin + SECONDS * 1000;
  const measured = (at) => at >= begin + WARM_UP * 1000;
  const send = (type, payload, metadata) =>
    socket.send(JSON.stringify({ type: `EVENT_TYPE_${type}`, payload: payload, metadata: metadata }));

  function say() {
    if (Date.now() > over - QUIET * 1000) return;
    send("USER_TYPING", { state: "TYPING_STATE_STARTED" });
    send("USER_TYPING", { state: "TYPING_STATE_STOPPED" });
    number += 1;
    const sent = Date.now();
    // The name tells the truth log which turns are in these figures.
    const name = `${measured(sent) ? "measured" : "warm-up"}-${exec.vu.idInTest}-${number}`;
    turn = { sent: sent, name: name, measured: measured(sent) };
    send("USER_MESSAGE", { text: __ENV.TEXT }, { custom: { local_id: name } });
  }

  function hear(event, now) {
    const kind = event.type.slice("EVENT_TYPE_".length);
    if (kind === "SESSION_START") {
      send("REQUEST_POLY_AGENT_JOIN", {});
    } else if (kind === "USER_MESSAGE" && turn !== null && turn.measured) {
      trends.echo.add(now - turn.sent);
    } else if (kind === "POLY_AGENT_MESSAGE_CHUNK") {
      if (turn !== null && turn.measured) {
        if (chunkAt === null) trends.first_chunk.add(now - turn.sent);
        else trends.chunk_gap.add(now - chunkAt);
      }
      chunkAt = now;
      if (event.payload.is_complete) {
        if (turn !== null && turn.measured) trends.response.add(now - turn.sent);
        turn = chunkAt = null;
        setTimeout(say, THINK * 1000 * (0.5 + Math.random()));
      }
    }
  }

  socket.onmessage = (message) => {
    const now = Date.now();
    const event = JSON.parse(message.data);
    const events = event.type === "EVENT_TYPE_EVENT_BATCH" ? event.payload.events : [event];
    for (const one of events) hear(one, now);
  };
  setTimeout(() => socket.close(), Math.max(1, over - Date.now()));
}

export function handleSummary(data) {
  const figures = {};
  for (const phase of Object.keys(trends)) {
    if (data.metrics[phase] !== undefined) figures[phase] = data.metrics[phase].values;
  }
  return { [__ENV.SUMMARY]: JSON.stringify(figures) };
}
