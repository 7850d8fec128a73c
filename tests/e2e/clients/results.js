// Writes a line for each test: how it ended, and its name.

export default async function* results(source) {
  for await (const { type, data } of source) {
    if (type === "test:pass" && !data.skip && !data.todo) yield `passed ${data.name}\n`;
    if (type === "test:fail") yield `failed ${data.name}\n`;
  }
}
