// The script for k6: one session a virtual user at a time, one Trend, no checks. Settings come from
// the environment, see bench/script.py; the figures go to the file SUMMARY.
import http from "k6/http";
import exec from "k6/execution";
import { Trend } from "k6/metrics";

const { WebSocket } = websockets();

const HOST = __ENV.TARGET;
const TEXT = __ENV.TEXT;
const [USERS, START, RAMP, THINK, KEYS, KEY_S, SPREAD, TURNS, BEGIN, END, QUIET] = [
  "USERS", "START", "RAMP", "THINK", "KEYS", "KEY_S", "SPREAD", "TURNS", "BEGIN", "END", "QUIET",
].map((name) => Number(__ENV[name]));

export const options = {
  scenarios: {
    chat: { executor: "per-vu-iterations", vus: USERS, iterations: 1, maxDuration: "1h" },
  },
  summaryTrendStats: ["count", "p(50)", "p(99)"],
};

const response = new Trend("response", true);
const PHI = 0.618034; // a multiple's fraction is spread evenly, however many there are

function websockets() {
  try {
    return require("k6/websockets");
  } catch (_) {
    return require("k6/experimental/websockets"); // where it was before
  }
}

const now = () => Date.now() / 1000;
const event = (type, payload, metadata) =>
  JSON.stringify({ type: `EVENT_TYPE_${type}`, payload: payload, metadata: metadata });
const JOIN = event("REQUEST_POLY_AGENT_JOIN", {});
const BYE = event("USER_END_SESSION", {});
const BEAT = event("HEARTBEAT", {});
const STARTED = event("USER_TYPING", { state: "TYPING_STATE_STARTED" });
const STOPPED = event("USER_TYPING", { state: "TYPING_STATE_STOPPED" });

export default function () {
  const number = exec.vu.idInTest;
  const at = START + ((number - 1) / USERS) * RAMP;
  setTimeout(() => live(number), Math.max(1, (at - now()) * 1000));
}

function live(number) {
  if (now() >= END) return;
  const json = { "Content-Type": "application/json" };
  const identity = { "X-Token": __ENV.POLY_CONNECTOR_TOKEN, "X-Host": __ENV.POLY_HOST_IDENTIFIER };
  const token = http
    .post(`${HOST}/api/v1/access-token`, "{}", { headers: Object.assign({}, json, identity) })
    .json("access_token");
  const wishes = JSON.stringify({ streaming_enabled: __ENV.STREAMING === "1", platform: "web" });
  const session = http
    .post(`${HOST}/api/v1/sessions`, wishes, {
      headers: Object.assign({}, json, { Authorization: `Bearer ${token}` }),
    })
    .json("session_id");
  converse(number, `${HOST.replace("http", "ws")}/ws?session_id=${session}&access_token=${token}`);
}

function converse(number, url) {
  const socket = new WebSocket(url);
  let said = 0;
  let sent = 0;
  let measured = false;
  let beats = null;

  function answered(at) {
    if (said > 0 && measured) response.add(at - sent);
    if (said > 0 && said === TURNS) {
      socket.send(BYE);
      return;
    }
    if (said === 0 && SPREAD > 0) {
      const left = ((number * PHI) % 1) * SPREAD; // until the message
      const keys = Math.min(KEYS, Math.floor(left / KEY_S));
      setTimeout(() => type(KEYS - keys), Math.max(1, (left - keys * KEY_S) * 1000));
    } else if (THINK > 0) {
      setTimeout(() => type(0), THINK * 1000);
    } else {
      type(0);
    }
  }

  function type(key) {
    if (now() >= END) return;
    for (; key < KEYS; key += 1) {
      socket.send(STARTED);
      if (KEY_S > 0) {
        setTimeout(() => type(key + 1), KEY_S * 1000);
        return;
      }
    }
    if (KEYS > 0) socket.send(STOPPED);
    said += 1;
    sent = Date.now();
    measured = sent >= BEGIN * 1000;
    // The name tells the truth log which turns are in the figures.
    const name = `${measured ? "measured" : "before"}-${number}-${said}`;
    socket.send(event("USER_MESSAGE", { text: TEXT }, { custom: { local_id: name } }));
  }

  socket.onmessage = (message) => {
    const at = Date.now();
    const heard = JSON.parse(message.data);
    switch (heard.type) {
      case "EVENT_TYPE_POLY_AGENT_MESSAGE_CHUNK":
        if (heard.payload.is_complete) answered(at);
        break;
      case "EVENT_TYPE_POLY_AGENT_MESSAGE":
        answered(at);
        break;
      case "EVENT_TYPE_EVENT_BATCH":
        for (const one of heard.payload.events) {
          if (one.type !== "EVENT_TYPE_SESSION_START") continue;
          const interval = one.payload.capabilities.heartbeat_interval_seconds;
          socket.send(JOIN);
          if (interval > 0) beats = setInterval(() => socket.send(BEAT), interval * 1000);
        }
        break;
      case "EVENT_TYPE_SESSION_END":
        socket.close();
        break;
    }
  };
  socket.onclose = () => {
    if (beats !== null) clearInterval(beats);
    if (TURNS > 0) live(number);
  };
  if (TURNS === 0) setTimeout(() => socket.close(), Math.max(1, (END + QUIET - now()) * 1000));
}

export function handleSummary(data) {
  const values = data.metrics.response === undefined ? {} : data.metrics.response.values;
  return { [__ENV.SUMMARY]: JSON.stringify(values) };
}
