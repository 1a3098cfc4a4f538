// Questions: each is sent detached, so that its answer does not depend on this page.

import { call, get } from "./relay.js"
import { byId, el, isEnded, notice } from "./words.js"

/** The APIs whose conversations can be continued here. */
const CHATS = ["/api/chat", "/api/generate", "/v1/chat/completions"]

/** @param {Answer} answer */
export const canContinue = (answer) => isEnded(answer) && answer.has_request && CHATS.includes(answer.path ?? "")

/** The models, each with its API. @param {string} server @returns {Promise<Map<string, string>>} */
async function models(server) {
	const found = new Map()
	for (const [path = "", api] of [["/v1/models", CHATS[2]], ["/api/tags", CHATS[0]]]) {
		// A server may have only one of the APIs.
		const listed = await call("GET", path, { headers: { "Towline-Server": server } }).then((response) => response.json(), () => ({}))
		for (const { name, id } of listed.models ?? listed.data ?? []) found.set(name ?? id, api)
	}
	return found
}

/** A form for a question. @param {Before} [before] */
export function composer(before = {}) {
	const { answer } = before
	const draft = `draft:${answer?.id ?? "new"}`
	const form = byId("composer").content.cloneNode(true).firstElementChild
	const { question, model, server, send } = form.elements
	const title = answer ? "Continue the conversation" : "Question"
	question.placeholder = question.ariaLabel = title
	question.rows = answer ? 2 : 4
	if (answer) form.querySelector(".wide").remove()
	/** @type {() => any} */
	const values = () => Object.fromEntries(new FormData(form))

	const kept = JSON.parse(localStorage.getItem(draft) ?? "{}")
	for (const field of form.elements) field.value = kept[field.name] ?? field.value
	form.addEventListener("input", () => localStorage.setItem(draft, JSON.stringify(values())))
	question.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
		// On a phone, Enter starts a new line.
		const sends = event.ctrlKey || event.metaKey || (!event.shiftKey && matchMedia("(pointer: fine)").matches)
		if (event.key !== "Enter" || event.isComposing || !sends) return
		event.preventDefault()
		form.requestSubmit()
	})

	let known = new Map()
	async function fill() {
		known = await models(server.value)
		if (answer && !known.has(answer.model)) known.set(answer.model, answer.path === CHATS[1] ? CHATS[0] : answer.path)
		const chosen = model.value || kept.model || answer?.model || localStorage.getItem("model")
		model.replaceChildren(...[...known.keys()].map((name) => el("option", { value: name }, name)))
		if (known.has(chosen)) model.value = chosen
	}
	async function begin() {
		/** @type {{servers: {name: string, up: boolean}[]}} */
		const { servers } = await get("/towline/v1/version")
		server.append(...servers.map(({ name, up }) => el("option", { value: name }, up ? name : `${name} (does not answer)`)))
		const chosen = kept.server || answer?.upstream
		if (servers.some(({ name }) => name === chosen)) server.value = chosen
		await fill()
	}
	server.addEventListener("change", () => fill().catch(notice))
	begin().catch(notice)

	/** Sending the same again is the same request. */
	let sent = { body: "", id: "" }
	form.addEventListener("submit", async (/** @type {Event} */ event) => {
		event.preventDefault()
		if (send.disabled) return
		send.disabled = true
		try {
			const given = values()
			given.question = given.question.trim()
			const path = known.get(given.model) ?? CHATS[0]
			const body = await request(given, path, before)
			const text = JSON.stringify(body)
			if (sent.body !== text) sent = { body: text, id: crypto.randomUUID() }
			const headers = {
				"Content-Type": "application/json",
				"Towline-Detach": "true",
				"Towline-Asked-By": "page",
				"Towline-Request-Id": sent.id,
				"Towline-Conversation": answer?.conversation ?? crypto.randomUUID(),
				"Towline-Server": given.server,
				...(given.minutes && { "Towline-Deadline": `${60 * given.minutes}` }),
			}
			const { id } = await (await call("POST", path, { body, headers })).json()
			localStorage.setItem("model", given.model)
			localStorage.removeItem(draft)
			location.hash = `#/answer/${id}`
		} catch (error) {
			notice(error)
		}
		send.disabled = false
	})
	return form
}

/** The body of the request. @param {any} given @param {string} path @param {Before} before */
async function request(given, path, { answer, text }) {
	/** @type {any} */
	const body = { model: given.model, stream: true }
	const earlier = answer ? await get(`/towline/v1/jobs/${answer.id}/request`) : {}
	const system = earlier.system ?? given.system
	body.messages = earlier.messages ?? (system ? [{ role: "system", content: system }] : [])
	if (earlier.prompt) body.messages.push({ role: "user", content: earlier.prompt })
	if (text) body.messages.push({ role: "assistant", content: text() })
	body.messages.push({ role: "user", content: given.question })
	const isOllama = path === CHATS[0]
	for (const name of isOllama ? ["think", "keep_alive", "options"] : ["temperature", "max_tokens", "seed"]) {
		if (earlier[name] !== undefined) body[name] = earlier[name]
	}
	if (isOllama && given.think) body.think = given.think === "on"
	for (const name of ["temperature", "num_predict", "num_ctx", "seed"]) {
		if (!given[name]) continue
		if (isOllama) body.options = { ...body.options, [name]: Number(given[name]) }
		else if (name !== "num_ctx") body[name === "num_predict" ? "max_tokens" : name] = Number(given[name])
	}
	return body
}
