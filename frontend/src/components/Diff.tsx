import classes from './Diff.module.css'

/** What changes, as diff -u writes it: added and removed lines have a sign and a colour. */
export function Diff({ text }: { text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reached with the keyboard
    <pre className={classes.diff} tabIndex={0}>
      {text
        .replace(/\n$/, '')
        .split('\n')
        .filter((line) => !line.startsWith('--- ') && !line.startsWith('+++ '))
        .map((line, i) => (
          <span key={i} data-sign={line[0]}>
            {line}
            {'\n'}
          </span>
        ))}
    </pre>
  )
}
