// What the hostile Node functions of test_hostile_functions.py do. Runs inside sandboxes.
import fs from "node:fs";

export const echo = async (event) => event;
export const reject = () => Promise.reject(new Error("as asked\nREPORT RequestId: forged"));
export const uncaught = () => new Promise(() => setTimeout(() => { throw new Error("late"); }, 10));
export const throw_odd = async () => { throw { toString() { throw new Error("no text"); }, get message() { throw new Error("none"); } }; };
export const throw_undefined = async () => { throw undefined; };
export const exit = async () => process.exit(5);
export const bigint = async () => ({ n: 10n });
export const cycle = async () => { const a = {}; a.a = a; return a; };
export const never = () => new Promise(() => setInterval(() => {}, 1000));
export const spin = async () => { for (;;); };
export const huge = async () => "x".repeat(7 << 20);

const channel_fd = () => {
  for (let fd = 3; fd < 64; fd++) {
    try {
      if (fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:")) return fd;
    } catch { continue; }
  }
  throw new Error("no channel found");
};

const frame = (kind, meta, body, lengths) => {
  const head = Buffer.alloc(12);
  head[0] = kind;
  head.writeUInt32LE(lengths ?? meta.length, 4);
  head.writeUInt32LE(lengths ?? body.length, 8);
  return Buffer.concat([head, Buffer.from(meta), Buffer.from(body)]);
};

export const channel = async (event, context) => {
  const fd = channel_fd();
  const say = (data) => { try { fs.writeSync(fd, data); } catch { /* cut */ } };
  if (event.trick === "random") say(Buffer.from(Array.from({ length: 5000 }, () => Math.random() * 256)));
  for (let kind = 0; kind < 20; kind++) {
    if (event.trick === "huge_length") say(frame(kind, "", "", 0xffffffff));
    if (event.trick === "second_answer") say(frame(kind, context.awsRequestId + "\0application/json\0", '"forged"'));
  }
  if (event.trick === "half_frame_and_exit") { say(frame(5, context.awsRequestId + "\0x\0", "y".repeat(50)).subarray(0, 30)); process.exit(0); }
  if (event.trick === "close_channel") { fs.closeSync(fd); await new Promise((r) => setTimeout(r, 500)); }
  return "honest answer";
};
