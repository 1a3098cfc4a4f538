// A model server's records: Ollama's lines, server-sent events of OpenAI's and Anthropic's APIs, and single JSON values.

export class Records {
	#decoder = new TextDecoder()
	/** The pieces of the incomplete line. @type {string[]} */
	#line = []
	#isWhole

	constructor(contentType = "") {
		this.#isWhole = contentType.startsWith("application/json")
	}

	/** The parts in these bytes. @param {Uint8Array} bytes @returns {Part[]} */
	push(bytes) {
		return this.#take(this.#decoder.decode(bytes, { stream: true }))
	}

	/** The remaining parts at the end. @returns {Part[]} */
	end() {
		const parts = this.#take(this.#decoder.decode())
		const rest = this.#line.join("")
		this.#line = []
		const all = record(rest)
		// The relay's record follows a cut value on a separate line.
		return parts.concat(all.length > 0 ? all : record(rest.slice(rest.trimEnd().lastIndexOf("\n") + 1)))
	}

	#take(text = "") {
		if (this.#isWhole || !text.includes("\n")) {
			this.#line.push(text)
			return []
		}
		const lines = text.split("\n")
		lines[0] = this.#line.join("") + lines[0]
		this.#line = [lines.pop() ?? ""]
		return lines.flatMap(record)
	}
}

/** The parts of a line. @returns {Part[]} */
function record(line = "") {
	const text = line.replace(/^data:/, "").trim()
	if (!text.startsWith("{")) return []
	try {
		return parts(JSON.parse(text))
	} catch {
		return []
	}
}

/** @param {unknown} value @returns {any[]} */
const list = (value) => (Array.isArray(value) ? value : [])

/** @param {any} value @returns {Part[]} */
function parts(value) {
	/** @type {Part[]} */
	const found = []
	/** @type {(kind: Part["kind"], text: unknown) => void} */
	const add = (kind, text) => {
		if (typeof text === "string" && text) found.push({ kind, text })
	}
	if (value.error) add("note", value.error.message ?? value.error)
	const { delta, type } = value
	if (type === "response.output_text.delta") add("text", delta)
	if (/^response\.reasoning.*\.delta$/.test(type)) add("thinking", delta)
	const choices = list(value.choices).map((choice) => choice.delta ?? choice.message ?? choice)
	const pieces = [...list(value.content), ...list(value.output).flatMap((item) => list(item.content))]
	for (const said of [value, value.message, delta, ...choices, ...pieces]) {
		add("thinking", said?.thinking ?? said?.reasoning_content ?? said?.reasoning)
		add("text", said?.content)
		add("text", said?.text ?? said?.response)
		for (const { function: called } of list(said?.tool_calls)) {
			add("thinking", called?.name)
			add("thinking", typeof called?.arguments === "object" ? `(${JSON.stringify(called.arguments)})\n` : called?.arguments)
		}
	}
	if (value.status && value.model === undefined && !type) {
		add("note", value.status + (value.total ? ` ${Math.floor((100 * (value.completed ?? 0)) / value.total)} %` : ""))
	}
	return found
}
