// Writes Mastra's tracing events as JSON lines: all that a Mastra application needs for `watchpost import --format mastra`.
import { closeSync, openSync, writeSync } from "node:fs";

export class JsonLinesExporter {
  name = "json-lines";
  written = 0;
  #file;

  constructor(path) {
    this.#file = openSync(path, "a");
  }

  async exportTracingEvent(event) {
    // At once: the span goes on changing.
    writeSync(this.#file, `${JSON.stringify({ type: event.type, exportedSpan: event.exportedSpan })}\n`);
    this.written += 1;
  }

  async flush() {}

  async shutdown() {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
