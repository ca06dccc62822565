// Package replies keeps cached answers in a file of their own, so that the cache is warm after a restart.
//
// The file may be deleted at any time. It is bounded in bytes, forgets what has expired, gives free space back to the disk, and is
// sealed: without the ledger's secret it tells how many answers it holds, how long each is and when it expires, and nothing else.
//
//	replies.db
//	├── file     format  -> "corral replies 1"
//	│            id      -> 16 random bytes, part of what every record is bound to
//	│            key     -> the file key, wrapped under a key derived from the ledger's secret
//	│            totals  -> entries and bytes of data
//	├── data     number -> record: header, sealed head, sealed body      (numbers only grow: the first is the oldest)
//	├── keys     hash of the key under the file key -> number
//	└── expiry   time, number -> 0                                       (the first expires first)
//
// One goroutine writes. It gathers what was put for a moment and commits it at once; until then Get finds it in memory. The same
// goroutine forgets what expired, makes room, shrinks the file, and begins a new one when this one is damaged. Nothing here makes
// a caller wait for the disk, except Get for a page that is not in memory, and what is called by a person: Clear, Sync, Close.
// Every commit is synced: it costs no caller anything, and after a power cut the file is as the last commit left it.
//
// What surprises: bbolt panics on a damaged page, and reading a mapped file that was cut short is a fault of the processor. The file
// is therefore checked by a child process before it is opened, every use of it runs where panics and faults are caught (guard), and
// each record is authenticated together with its key, its number and the file it belongs to. Damage costs answers, and never
// shows as a wrong one. A page whose damage leads bbolt in circles while the file is open is the one thing that nobody can
// catch; the check finds it before the next start.
package replies
