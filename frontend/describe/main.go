// describe prints the OpenAPI description of the operator API, from which the page's types are made (scripts/page). It runs
// the handler itself: no Corral has to be started for it.
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"

	"corral/daemon/admin"
)

func main() {
	const token = "corral_op_of_nobody_for_the_description_only"
	r := httptest.NewRequest(http.MethodGet, admin.Base+"/openapi.json", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	admin.New(admin.Options{Token: token, Version: "dev"}).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		fmt.Fprintln(os.Stderr, "the operator API does not describe itself:", w.Code, w.Body)
		os.Exit(1)
	}
	io.Copy(os.Stdout, w.Body)
}
