// Mastra's own exporter, fed with the same traces in the same process, into the same sink. Prints one line of JSON.
// Arguments: DSN, the sink's address, a trace's events as JSON lines, `paced` (as fast as nothing is lost), `burst` (all at
// once) or `open` (no span ever ends), and how many traces.
import http from "node:http";
import { readFileSync } from "node:fs";
import { SentryExporter } from "@mastra/sentry";

const [dsn, sink, file, load, count] = process.argv.slice(2);
const traces = Number(count);
// Its transport keeps 64 envelopes, a trace is one; what is over is dropped.
const AT_ONCE = 50;

const template = readFileSync(file, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line))
  .filter(({ type }) => load !== "open" || type === "span_started");
const LATER = ["startTime", "endTime"];
const begun = Date.now() - Date.parse(template[0].exportedSpan.startTime);

const hex = (number, digits) => number.toString(16).padStart(digits, "0");
// As Mastra hands them over: dates are Dates, and absent members are undefined.
function* events(trace) {
  const id = (id) => id && hex(trace, 8) + id.slice(8);
  for (const { type, exportedSpan } of template) {
    const span = { ...exportedSpan, attributes: { ...exportedSpan.attributes }, traceId: hex(trace + 1, 32) };
    span.id = id(span.id);
    span.parentSpanId = id(span.parentSpanId);
    for (const name of LATER) if (span[name]) span[name] = new Date(begun + Date.parse(span[name]));
    const { completionStartTime } = span.attributes;
    if (completionStartTime) span.attributes.completionStartTime = new Date(begun + Date.parse(completionStartTime));
    yield { type, exportedSpan: span };
  }
}

const agent = new http.Agent({ keepAlive: true });
const received = () =>
  new Promise((resolve, reject) => {
    http
      .get(`http://${sink}/stats`, { agent }, (response) => {
        let body = "";
        response.on("data", (chunk) => (body += chunk));
        response.on("end", () => resolve(JSON.parse(body).spans));
      })
      .on("error", reject);
  });
// Waits until no more spans arrive; how many there are, and the time and CPU time when the last one was seen.
const settled = async (least) => {
  const look = async () => ({ spans: await received(), time: performance.now(), cpu: process.cpuUsage() });
  let last = await look();
  for (let now = last; last.spans < least && now.time - last.time < 3000; now = await look()) {
    if (now.spans !== last.spans) last = now;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return last;
};

const exporter = new SentryExporter({
  dsn,
  environment: "production",
  release: "bench@1.0.0",
  logLevel: "error",
  options: { streamGenAiSpans: process.env.GEN_AI_SPANS === "stream" },
});
const spansATrace = new Set(template.map(({ exportedSpan }) => exportedSpan.id)).size - template.filter(skipped).length;
function skipped({ type, exportedSpan }) {
  return type === "span_started" && ["model_step", "model_chunk"].includes(exportedSpan.type);
}
const exportTrace = async (trace) => {
  for (const event of events(trace)) await exporter.exportTracingEvent(event);
};

if (load === "paced") {
  for (let trace = 0; trace < AT_ONCE; trace++) await exportTrace(trace);
  await exporter.flush();
  await settled(AT_ONCE * spansATrace);
}
const first = load === "paced" ? AT_ONCE : 0;
const before = (await received()) ?? 0;
const resident = () => process.memoryUsage.rss() / 2 ** 20;
const residentBefore = resident();
const [cpu, start] = [process.cpuUsage(), performance.now()];
let after;
for (let trace = 0; trace < traces; trace++) {
  await exportTrace(first + trace);
  if (load === "paced" && (trace % AT_ONCE === AT_ONCE - 1 || trace === traces - 1)) {
    // Until its transport has seen every answer, the places are taken.
    await exporter.flush();
    after = await settled(before + (trace + 1) * spansATrace);
  }
}
const exported = performance.now();
after ??= load === "open" ? { spans: before, time: exported, cpu: process.cpuUsage() } : await settled(before + traces * spansATrace);
console.log(
  JSON.stringify({
    wall: (after.time - start) / 1000,
    cpu: (after.cpu.user + after.cpu.system - cpu.user - cpu.system) / 1e6,
    peak: process.resourceUsage().maxRSS / 1024,
    grown: resident() - residentBefore,
    wanted: traces * spansATrace,
    spans: after.spans - before,
  }),
);
process.exit(0);
