// The page's requests to the relay.

/** A request that the relay refused, with its message. */
export class Refused extends Error {
	constructor(status = 0, message = "") {
		super(message)
		this.status = status
	}
}

const JOBS = "/towline/v1/jobs"

export const on = { signedOut() {} }

/** A request. Forms cannot send this header, without which the relay changes nothing for a cookie. @type {Call} */
export async function call(method, path, { body, headers, ...more } = {}) {
	headers = { "Towline-Page": "true", ...headers }
	const response = await fetch(path, { method, headers, body: body ? JSON.stringify(body) : null, cache: "no-store", ...more })
	if (response.ok) return response
	// A proxy between the page and the relay may answer with something else.
	const { error } = await response.json().catch(() => ({}))
	if (response.status === 401) on.signedOut()
	throw new Refused(response.status, error?.message ?? error ?? `the relay answered ${response.status}`)
}

/** @param {AbortSignal} [signal] */
export const get = async (path = "", signal) => (await call("GET", path, { signal: signal ?? null })).json()

/** @param {object} [body] @returns {Promise<Answer>} */
export const order = async (id = "", order = "", body) => (await call("POST", `${JOBS}/${id}/${order}`, { body })).json()

/** Resolves at the first of these events. @param {[EventTarget, string][]} events */
function first(...events) {
	return new Promise((resolve) => {
		const heard = new AbortController()
		const done = () => resolve(heard.abort())
		for (const [target, name] of events) target.addEventListener(name, done, { signal: heard.signal })
	})
}

/** Repeats `once` until it is done or `signal` aborts: while the page is visible, over any number of connections. @type {Keep} */
async function keep(signal, connected, once) {
	/** @type {[EventTarget, string][]} */
	const changes = [[document, "visibilitychange"], [signal, "abort"]]
	let pause = 250
	const came = () => {
		pause = 250
		connected(true)
	}
	while (!signal.aborted) {
		if (document.hidden) {
			await first(...changes)
			continue
		}
		const own = new AbortController()
		first(...changes, [window, "offline"], [own.signal, "abort"]).then(() => own.abort())
		try {
			if (await once(own.signal, came)) return
			continue
		} catch (error) {
			if (error instanceof Refused && error.status === 401) return
		} finally {
			own.abort()
		}
		if (signal.aborted || document.hidden) continue
		connected(false)
		await first(...changes, [window, "online"], [AbortSignal.timeout(pause), "abort"])
		pause = Math.min(2 * pause, 5000)
	}
}

/** @param {Response} response @returns {AsyncGenerator<Uint8Array>} */
async function* pieces(response) {
	const reader = response.body?.getReader()
	for (;;) {
		const { done, value } = (await reader?.read()) ?? { done: true }
		if (done || !value) return
		yield value
	}
}

/** Watches the list of answers. @param {Watcher} watcher @param {AbortSignal} signal */
export async function watch(watcher, signal) {
	let isFirst = true
	await keep(signal, (is) => watcher.connected(is), async (own, came) => {
		if (!isFirst) {
			// Removals in the meantime are not reported.
			const { jobs } = await get(JOBS, own)
			watcher.only(new Set(jobs.map((/** @type {Answer} */ { id }) => id)))
		}
		const response = await call("GET", `${JOBS}?watch=true`, { signal: own })
		isFirst = false
		came()
		const decoder = new TextDecoder()
		let rest = ""
		for await (const piece of pieces(response)) {
			came()
			const lines = (rest + decoder.decode(piece, { stream: true })).split("\n")
			rest = lines.pop() ?? ""
			for (const change of lines.map((line) => JSON.parse(line))) {
				if (change.removed) watcher.removed(change.removed)
				else watcher.update(change)
			}
		}
		throw new Error("the relay ended the list")
	})
}

/** Reads an answer's stream from the beginning until it is closed. @type {ReadStream} */
export async function read(id, reader, signal) {
	let incarnation = ""
	let position = 0
	await keep(signal, (is) => reader.connected(is), async (own, came) => {
		const offset = incarnation ? `${incarnation}_${String(position).padStart(16, "0")}` : "-1"
		let response
		try {
			response = await call("GET", `/streams/${id}?offset=${offset}&live=raw`, { signal: own })
		} catch (error) {
			if (!(error instanceof Refused)) throw error
			if (error.status === 404) {
				reader.gone(error.message)
				return true
			}
			if (error.status === 410) {
				incarnation = ""
				position = 0
				reader.again()
			}
			throw error
		}
		incarnation = response.headers.get("stream-next-offset")?.split("_")[0] ?? ""
		came()
		if (response.headers.get("stream-closed") === "true") {
			reader.end()
			return true
		}
		for await (const piece of pieces(response)) {
			came()
			position += piece.length
			reader.bytes(piece)
		}
		// The stream has ended, or this reader lagged: the next request shows which.
		return false
	})
}
