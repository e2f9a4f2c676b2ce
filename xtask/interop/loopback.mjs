// `node --import loopback.mjs PROGRAM`: its servers listen on the loopback interface only, and it connects to nothing beyond it.
import net from "node:net";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "::1"]);

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...rest) {
  const callback = rest.find((given) => typeof given === "function");
  const [first] = rest;
  const port = typeof first === "object" && first !== null ? first.port : first;
  if (port === undefined || Number.isNaN(Number(port))) return listen.apply(this, rest);
  return listen.call(this, { port: Number(port), host: "127.0.0.1" }, callback);
};

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...rest) {
  const [first] = Array.isArray(rest[0]) ? rest[0] : rest;
  const { host = "localhost", path } = typeof first === "object" && first !== null ? first : { host: rest[1] };
  if (path || LOOPBACK.has(host)) return connect.apply(this, rest);
  process.nextTick(() => this.destroy(new Error(`${host} is not on this machine`)));
  return this;
};
