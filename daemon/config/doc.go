// Package config holds what a person may set: corral.yaml, the environment and the command line, as one value.
//
// [Default] is the whole of it when nothing is set. [Source.Load] lays the file over the defaults, the environment over
// the file and the command line over all, checks the result, and tells every problem at once with its line and column.
// [Live] keeps the value in force while the file changes. No other package reads the environment or knows where the
// config and the data are kept.
//
// To add a field: add it to its struct in config.go with a koanf tag and a comment that says what guards it; give it a
// value in [Default]; check it in validate.go; name it in sampleText and in testdata/whole.yaml (a test fails until you
// do). A type with a text form of its own (a unit, a percentage) implements encoding.TextUnmarshaler and
// encoding.TextMarshaler.
//
// What surprises: every scalar is read as the text that stands in the file, whatever YAML thinks it is. So `off` and
// `5s` need no quotes, and `0.1%` and `"0.1%"` are the same. And a list in a later layer replaces the earlier list whole: a
// file that has providers loses the default one, while a section such as cache is merged field by field.
package config
