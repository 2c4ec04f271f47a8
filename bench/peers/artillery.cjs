// The script for Artillery: what its declared steps cannot say, waiting for one event among others,
// is a function on the engine's socket. Settings come from the environment, see bench/script.py.
const ENV = process.env;
const HOST = ENV.TARGET;
const [USERS, START, RAMP, THINK, KEYS, KEY_S, SPREAD, TURNS, BEGIN, END, QUIET] = [
  "USERS", "START", "RAMP", "THINK", "KEYS", "KEY_S", "SPREAD", "TURNS", "BEGIN", "END", "QUIET",
].map((name) => Number(ENV[name]));

const event = (type, payload, metadata) =>
  JSON.stringify({ type: `EVENT_TYPE_${type}`, payload, metadata });
const JOIN = event("REQUEST_POLY_AGENT_JOIN", {});
const BYE = event("USER_END_SESSION", {});
const BEAT = event("HEARTBEAT", {});
const STARTED = event("USER_TYPING", { state: "TYPING_STATE_STARTED" });
const STOPPED = event("USER_TYPING", { state: "TYPING_STATE_STOPPED" });
const now = () => Date.now() / 1000;
const PHI = 0.618034; // a multiple's fraction is spread evenly, however many there are
let users = 0;

// What comes with the handshake's answer, SESSION_START, would be lost on the engine: the steps of a
// flow begin a moment later. So a socket keeps what it hears until a step listens.
const WebSocket = require(require.resolve("ws", { paths: [ENV.NODE_MODULES] }));
const { setSocket } = WebSocket.prototype;
WebSocket.prototype.setSocket = function (...given) {
  this.early = [];
  this.onmessage = (message) => this.early.push(message);
  return setSocket.apply(this, given);
};

async function post(path, body, headers) {
  const answer = await fetch(`${HOST}/api/v1/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...headers },
  });
  return answer.json();
}

function enter(wsArgs, context, callback) {
  const number = (users += 1);
  context.vars.number = number;
  const wait = START + ((number - 1) / USERS) * RAMP - now();
  setTimeout(() => begin(wsArgs, callback), TURNS > 0 ? 0 : Math.max(0, wait * 1000));
}

function begin(wsArgs, callback) {
  const identity = { "X-Token": ENV.POLY_CONNECTOR_TOKEN, "X-Host": ENV.POLY_HOST_IDENTIFIER };
  post("access-token", {}, identity)
    .then(async ({ access_token: token }) => {
      const wishes = { streaming_enabled: ENV.STREAMING === "1", platform: "web" };
      const bearer = { Authorization: `Bearer ${token}` };
      const { session_id: session } = await post("sessions", wishes, bearer);
      wsArgs.target = `${HOST.replace("http", "ws")}/ws?session_id=${session}&access_token=${token}`;
      callback();
    })
    .catch(callback);
}

function converse(context, ee, done) {
  const socket = context.ws;
  const number = context.vars.number;
  let said = 0;
  let sent = 0;
  let measured = false;
  let beats = null;
  let over = false;

  function finish() {
    if (over) return;
    over = true;
    if (beats !== null) clearInterval(beats);
    done();
  }

  function answered(at) {
    if (said > 0 && measured) ee.emit("histogram", "response", at - sent);
    if (said > 0 && said === TURNS) {
      socket.send(BYE);
      return;
    }
    if (said === 0 && SPREAD > 0) {
      const left = ((number * PHI) % 1) * SPREAD; // until the message
      const keys = Math.min(KEYS, Math.floor(left / KEY_S));
      setTimeout(type, (left - keys * KEY_S) * 1000, KEYS - keys);
    } else if (THINK > 0) {
      setTimeout(type, THINK * 1000, 0);
    } else {
      type(0);
    }
  }

  function type(key) {
    if (now() >= END) return;
    for (; key < KEYS; key += 1) {
      socket.send(STARTED);
      if (KEY_S > 0) {
        setTimeout(type, KEY_S * 1000, key + 1);
        return;
      }
    }
    if (KEYS > 0) socket.send(STOPPED);
    said += 1;
    measured = now() >= BEGIN;
    const name = `${measured ? "measured" : "before"}-${number}-${said}`;
    sent = performance.now();
    socket.send(event("USER_MESSAGE", { text: ENV.TEXT }, { custom: { local_id: name } }));
  }

  function hear(message) {
    const at = performance.now();
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
        finish();
        break;
    }
  }
  socket.onmessage = hear;
  socket.early.forEach(hear);
  if (TURNS === 0) setTimeout(finish, Math.max(1, (END + QUIET - now()) * 1000));
}

module.exports = { enter, converse };
