//go:build !desktop

package desktop

import (
	"context"
	"errors"
)

// Built says whether this program has a window in it.
const Built = false

// Run says that there is none.
func Run(context.Context, Options) error {
	return errors.New("this build of Corral has no window; `corral ui` opens the same page in the browser")
}
