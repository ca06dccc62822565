/** What the page says to the window program around it (app/desktop/window.go), as events of Wails. */
type Says = 'ready' | 'feed' | 'login' | 'start' | 'open'

type Around = Window & {
  webkit?: { messageHandlers?: { external?: { postMessage(message: string): void } } }
  chrome?: { webview?: { postMessage(message: string): void } }
}

/** How a message leaves the page; undefined: this is a browser. The name in the user agent is Wails' own. */
function poster(around: Around): ((message: string) => void) | undefined {
  if (!around.navigator.userAgent.includes('wails.io')) return
  const webkit = around.webkit?.messageHandlers?.external
  if (webkit) return (message) => webkit.postMessage(message)
  const webview = around.chrome?.webview
  if (webview) return (message) => webview.postMessage(message)
}

/** The window program, where the page is in one. In a browser all of it does nothing. */
export class Desktop {
  private readonly post: ReturnType<typeof poster>

  constructor(around: Window = window) {
    this.post = poster(around as Around)
  }

  get there() {
    return this.post !== undefined
  }

  tell(what: Says, detail = '') {
    this.post?.(`EE${JSON.stringify({ name: `corral:${what}`, data: [detail] })}`)
  }
}

export const desktop = new Desktop()
