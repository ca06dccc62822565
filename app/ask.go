package app

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"corral/daemon/admin"
	"corral/daemon/client"
)

// maxQuestion bounds a question that is read from a pipe, in bytes.
const maxQuestion = 1 << 20

func (e *env) ask() *cobra.Command {
	var target string
	c := e.asJSON(&cobra.Command{
		Use: "ask [MODEL [QUESTION]]", Short: "Ask a model, and see which target answers",
		Long: `Sends a question the way of all calls, prints the answer as it comes, and says on standard error who
answered and why. Without a question it is read from standard input; without a model the models that can
be asked are listed.`,
		Example: "  corral ask\n  corral ask llama3.2 Why is the sky blue?\n  corral ask --target openai/gpt-4o-mini chat 'Why is the sky blue?'",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				x, err := api.Choices(c.Context())
				if err != nil {
					return err
				}
				if e.json {
					return e.print(x)
				}
				e.choices(&x)
				return nil
			}
			question := strings.Join(args[1:], " ")
			if question == "" {
				b, err := io.ReadAll(io.LimitReader(e.in, maxQuestion+1))
				if err != nil {
					return err
				}
				if len(b) > maxQuestion {
					return fmt.Errorf("the question is over %d MiB; send a part of it, or use the API", maxQuestion>>20)
				}
				question = string(b)
			}
			if strings.TrimSpace(question) == "" {
				return errors.New("there is no question; write it behind the model's name")
			}
			began := time.Now()
			a, err := api.Ask(c.Context(), args[0], target, question)
			if err != nil {
				return err
			}
			defer a.Close()
			return e.answer(a, began)
		},
	})
	c.Flags().StringVar(&target, "target", "", "provider/model that is to answer, and no other")
	return c
}

// choices lists the models that can be asked.
func (e *env) choices(x *admin.Choices) {
	for _, n := range x.Names {
		sayf(e.out, "%s  (%s)\n", n.Name, strings.Join(n.Targets, ", "))
	}
	for _, p := range x.Providers {
		for _, m := range p.Models {
			sayf(e.out, "%s/%s\n", p.Provider, m.Model)
		}
		if p.Problem != "" {
			sayf(e.err, "%s: %s\n", p.Provider, p.Problem)
		}
	}
}

// answer prints an answer as it comes, and who gave it.
func (e *env) answer(a *client.Answer, began time.Time) error {
	var last client.Piece
	var said strings.Builder
	for {
		p, err := a.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if last = p; e.json {
			said.WriteString(p.Message.Content)
		} else {
			say(e.out, lines(p.Message.Content))
		}
	}
	if !last.Done {
		return errors.New("the answer broke off")
	}
	who := a.Header.Get("Corral-Provider") + "/" + a.Header.Get("Corral-Model")
	if e.json {
		return e.print(map[string]any{"answer": said.String(), "target": who, "route": a.Header.Get("Corral-Route"), "request_id": a.Header.Get("X-Request-Id"),
			"tokens_in": last.Input, "tokens_out": last.Output, "ms": time.Since(began).Milliseconds()})
	}
	sayln(e.out)
	sayf(e.err, "%s answered (%s), %s in %v, request %s\n", who, a.Header.Get("Corral-Route"), plural(last.Output, "token", "tokens"), time.Since(began).Round(time.Millisecond), a.Header.Get("X-Request-Id"))
	return nil
}
