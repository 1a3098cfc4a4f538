// The types of the page: the relay's data about an answer (docs/relay-api.md), and the interfaces of the page's modules.

interface Answer {
  id: string
  name: string
  state: string
  question?: string | null
  questions_before?: number
  conversation?: string | null
  model?: string
  upstream?: string
  path?: string
  created_at: string
  ended_at?: string | null
  bytes: number
  tokens?: number | null
  tokens_per_second?: number | null
  age_s: number
  since_last_s?: number | null
  deadline_s?: number | null
  has_request: boolean
  content_type?: string
  cause?: string | null
}

/** A part of a model server's records; tool calls are shown with the thinking. */
interface Part {
  kind: "text" | "thinking" | "note"
  text: string
}

/** A listener for changes of the list of answers. */
interface Watcher {
  update(answer: Answer): void
  removed(id: string): void
  /** All others were deleted. */
  only(ids: Set<string>): void
  connected(is: boolean): void
}

/** A listener for a stream's bytes. */
interface StreamReader {
  bytes(piece: Uint8Array): void
  /** The earlier bytes are no longer valid: the stream is read from its beginning. */
  again(): void
  end(): void
  gone(why: string): void
  connected(is: boolean): void
}

/** An open run of emphasis marks. */
interface Run {
  char: string
  count: number
  at: number
  text: Text
}

/** The beginning of a link. */
interface Bracket {
  at: number
  runs: number
}

/** An open block of Markdown. */
interface Block {
  kind: "paragraph" | "code" | "item" | "quote" | "table" | "formula"
  lines: string[]
  size: number
  shown: HTMLElement
  /** The marks that opened it. */
  begins: string
  indent: number
  /** The classes of the cells of a table, by column. */
  aligns?: string[]
}

/** The answer whose conversation is continued, and its text. */
interface Before {
  answer?: Answer
  text?: () => string
}

/** A conversation of the history, in a list. */
interface Conversation {
  id: string
  name: string
  title: string
  model: string
  turns: number
  updated_at: string
  /** The text around the search term. */
  around?: string | null
}

/** A question of a conversation, and its answer. */
interface Turn {
  question: string
  thinking: string
  text: string
}

type Call = (method: string, path: string, more?: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal | null }) => Promise<Response>

/** `once` calls `came` whenever data has arrived, and returns whether it is done. */
type Keep = (signal: AbortSignal, connected: (is: boolean) => void, once: (signal: AbortSignal, came: () => void) => Promise<boolean>) => Promise<void>

type MakeElement = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes?: Record<string, string | boolean | EventListener>,
  ...children: (Node | string)[]
) => HTMLElementTagNameMap[Tag]

type AskUser = (question: { title: string; text?: string; yes: string; value?: string }) => Promise<string | null>

type ReadStream = (id: string, reader: StreamReader, signal: AbortSignal) => Promise<void>

/** The contents of a row of the list. */
interface Shown {
  name: string
  state: string
  question?: string | null
}

type Place = (parent: Element | null, wanted: Element[]) => void

type AddButton = (name: string, when: string, does: (button: HTMLButtonElement) => Promise<unknown>) => HTMLButtonElement
