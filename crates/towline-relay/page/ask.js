// Asking: a question is sent detached, so that it is answered whatever becomes of this page.

import { call, get } from "./relay.js"
import { el, isEnded, notice } from "./words.js"

/** The APIs whose conversations can be continued here. */
const CHATS = ["/api/chat", "/api/generate", "/v1/chat/completions"]

/** @param {Answer} answer */
export const canContinue = (answer) => isEnded(answer) && answer.has_request && CHATS.includes(answer.path ?? "")

/** The models, each with the API that has it. @param {string} server @returns {Promise<Map<string, string>>} */
async function models(server) {
	const found = new Map()
	/** @type {any} */
	const lists = [["/api/tags", "models", "name", CHATS[0]], ["/v1/models", "data", "id", CHATS[2]]]
	for (const [path, key, name, api] of lists) {
		try {
			const listed = await (await call("GET", path, { headers: server ? { "Towline-Server": server } : {} })).json()
			for (const model of listed[key] ?? []) if (!found.has(model[name])) found.set(model[name], api)
		} catch {
			// It speaks the other API.
		}
	}
	return found
}

/** A form for a question. @param {Before} [before] */
export function composer(before = {}) {
	const { answer } = before
	const draft = `draft:${answer?.id ?? "new"}`
	const model = el("select", { name: "model", required: true })
	const server = el("select", { name: "server" }, el("option", { value: "" }, "Any server"))
	const title = answer ? "Continue the conversation" : "Question"
	const question = el("textarea", { name: "question", rows: answer ? "2" : "4", required: true, dir: "auto", "aria-label": title, placeholder: title })
	const system = el("label", { class: "wide" }, "System", el("textarea", { name: "system", rows: "2", dir: "auto" }))
	const number = (label, name, step, min = step) => el("label", {}, label, el("input", { name, type: "number", step, min, inputmode: "decimal" }))
	const thinking = ["", "on", "off"].map((value) => el("option", { value }, value || "as the model does"))
	const fields = [
		number("Temperature", "temperature", "0.1", "0"),
		number("Most tokens", "num_predict", "1"),
		number("Context, tokens", "num_ctx", "1"),
		number("Seed", "seed", "1", "0"),
		el("label", {}, "Thinking", el("select", { name: "think" }, ...thinking)),
		number("Time limit, minutes", "minutes", "1"),
	]
	const options = el("details", {}, el("summary", {}, "Options"), el("div", { class: "fields" }, ...(answer ? [] : [system]), ...fields))
	const send = el("button", { type: "submit", class: "first" }, "Send")
	const choices = el("div", { class: "choices" }, el("label", {}, "Model", model), el("label", {}, "Server", server), send)
	const form = el("form", { class: "composer" }, question, choices, options)
	/** @type {() => Record<string, string>} */
	const values = () => Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]))

	const kept = JSON.parse(localStorage.getItem(draft) ?? "{}")
	for (const field of form.querySelectorAll("textarea, input, select")) {
		if ("value" in field && "name" in field) field.value = kept[String(field.name)] ?? field.value
	}
	form.addEventListener("input", () => localStorage.setItem(draft, JSON.stringify(values())))
	question.addEventListener("keydown", (event) => {
		// On a phone Enter is a new line.
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
		const { servers } = await get("/towline/v1/version")
		server.append(...servers.map(({ name, up }) => el("option", { value: name }, up ? name : `${name} (does not answer)`)))
		const chosen = kept.server || answer?.upstream
		if (servers.some(({ name }) => name === chosen)) server.value = chosen
		await fill()
	}
	server.addEventListener("change", () => fill().catch(notice))
	begin().catch(notice)

	/** Sent once more, the same is the same request. */
	let sent = { body: "", id: "" }
	form.addEventListener("submit", async (event) => {
		event.preventDefault()
		if (send.disabled) return
		send.disabled = true
		try {
			const given = values()
			const path = known.get(given.model) ?? CHATS[0]
			const body = await request(given, path, before)
			const text = JSON.stringify(body)
			if (sent.body !== text) sent = { body: text, id: crypto.randomUUID() }
			/** @type {Record<string, string>} */
			const headers = {
				"Content-Type": "application/json",
				"Towline-Detach": "true",
				"Towline-Asked-By": "page",
				"Towline-Request-Id": sent.id,
				"Towline-Conversation": answer?.conversation ?? crypto.randomUUID(),
			}
			if (given.server) headers["Towline-Server"] = given.server
			if (given.minutes) headers["Towline-Deadline"] = String(60 * Number(given.minutes))
			const begun = await (await call("POST", path, { body, headers })).json()
			localStorage.setItem("model", given.model ?? "")
			localStorage.removeItem(draft)
			location.hash = `#/answer/${begun.id}`
		} catch (error) {
			notice(error)
		}
		send.disabled = false
	})
	return form
}

/** The body of the request. @param {Record<string, string>} given @param {string} path @param {Before} before */
async function request(given, path, { answer, text }) {
	/** @type {any} */
	const body = { model: given.model, stream: true }
	const asked = (role, content) => ({ role, content })
	let messages = given.system ? [asked("system", given.system)] : []
	/** @type {any} */
	let earlier = {}
	if (answer && text) {
		earlier = await get(`/towline/v1/jobs/${answer.id}/request`)
		const first = [...(earlier.system ? [asked("system", earlier.system)] : []), asked("user", earlier.prompt)]
		messages = [...(earlier.messages ?? first), asked("assistant", text())]
	}
	body.messages = [...messages, asked("user", given.question)]
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
