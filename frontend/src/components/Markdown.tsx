import { Button, CopyButton } from '@mantine/core'
import { lexer, type Token, type Tokens } from 'marked'
import { Fragment, memo, type ReactNode, useMemo } from 'react'
import classes from './Markdown.module.css'

/**
 * A model's text. It is parsed into tokens, and each token becomes an element of its own: no HTML is ever made as text, so
 * that nothing a model writes can run or load anything. Raw HTML is shown as it was written.
 */
export function Markdown({ text }: { text: string }) {
  const blocks = useMemo(() => lexer(text), [text])
  return (
    <div className={classes.text}>
      {blocks.map((b, i) => (
        <Block key={i} raw={b.raw} token={b} />
      ))}
    </div>
  )
}

/** What a block looks like is its text's matter alone: while an answer grows, only its last block is made anew. */
const Block = memo(
  ({ token }: { raw: string; token: Token }) => <>{block(token)}</>,
  (a, b) => a.raw === b.raw && a.token.type === b.token.type,
)

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: '\u00a0' }

const plain = (s: string) => s.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (all, name) => entities[name] ?? all)

/** An address that a link may lead to; undefined: it may not. */
export function safeLink(href: string): string | undefined {
  try {
    const url = new URL(href)
    if (['https:', 'http:', 'mailto:'].includes(url.protocol)) return url.href
  } catch {}
}

function block(t: Token): ReactNode {
  switch (t.type) {
    case 'space':
    case 'def':
      return null
    case 'hr':
      return <hr />
    case 'heading':
      return <p className={t.depth < 3 ? classes.large : classes.heading}>{all(t.tokens)}</p>
    case 'paragraph':
      return <p>{all(t.tokens)}</p>
    case 'blockquote':
      return <blockquote>{all(t.tokens)}</blockquote>
    case 'code':
      return <CodeBlock text={t.text} language={t.lang ?? ''} />
    case 'list': {
      const items = (t as Tokens.List).items.map((item, i) => (
        <li key={i}>
          {item.task && (item.checked ? '☑ ' : '☐ ')}
          {all(item.tokens)}
        </li>
      ))
      return t.ordered ? <ol start={Number(t.start) || 1}>{items}</ol> : <ul>{items}</ul>
    }
    case 'table':
      return <Table token={t as Tokens.Table} />
    default:
      return inline(t)
  }
}

function inline(t: Token): ReactNode {
  switch (t.type) {
    case 'strong':
      return <strong>{all(t.tokens)}</strong>
    case 'em':
      return <em>{all(t.tokens)}</em>
    case 'del':
      return <del>{all(t.tokens)}</del>
    case 'codespan':
      return <code>{t.text}</code>
    case 'br':
      return <br />
    case 'link': {
      const to = safeLink(t.href)
      const text = all(t.tokens)
      if (!to) return text
      return (
        <a href={to} target="_blank" rel="noreferrer noopener">
          {text}
        </a>
      )
    }
    case 'image': // a picture elsewhere would tell its server who reads this
      return <span>[picture: {plain(t.text || t.href)}]</span>
    case 'html':
      return t.raw
    default:
      return 'tokens' in t && t.tokens ? all(t.tokens) : plain('text' in t ? String(t.text) : t.raw)
  }
}

const blocks = ['paragraph', 'heading', 'blockquote', 'code', 'list', 'table', 'hr', 'space', 'def']

function all(tokens: readonly Token[] | undefined): ReactNode {
  return tokens?.map((t, i) => <Fragment key={i}>{blocks.includes(t.type) ? block(t) : inline(t)}</Fragment>)
}

function Table({ token: t }: { token: Tokens.Table }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reached with the keyboard
    // biome-ignore lint/a11y/useSemanticElements: it is no set of fields
    <div className={classes.scroll} tabIndex={0} role="group" aria-label="Table">
      <table>
        <thead>
          <tr>
            {t.header.map((c, i) => (
              <th key={i} scope="col" style={{ textAlign: c.align ?? undefined }}>
                {all(c.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {t.rows.map((row, i) => (
            <tr key={i}>
              {row.map((c, k) => (
                <td key={k} style={{ textAlign: c.align ?? undefined }}>
                  {all(c.tokens)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Code, to be copied. */
export function CodeBlock({ text, language = '' }: { text: string; language?: string }) {
  return (
    <div className={classes.code}>
      <div className={classes.bar}>
        <span>{language.split(/\s/)[0] || 'code'}</span>
        <CopyButton value={text}>
          {({ copied, copy }) => (
            <Button size="compact-xs" variant="default" onClick={copy}>
              {copied ? 'Copied' : 'Copy'}
            </Button>
          )}
        </CopyButton>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reached with the keyboard */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </div>
  )
}
