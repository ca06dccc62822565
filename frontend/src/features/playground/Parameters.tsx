import { Button, Group, NumberInput, Paper, Select, SimpleGrid, Stack, Switch, Textarea } from '@mantine/core'
import { conversation, noSettings, type Settings, toolsOf } from './conversation'

const number = (v: string | number): number | '' => (typeof v === 'number' ? v : '')

/** What the model is told beside the question. Empty fields are left to the model. */
export function Parameters({ settings: s }: { settings: Settings }) {
  const set = (more: Partial<Settings>) => conversation.set(more)
  return (
    <Paper withBorder radius="md" p="sm" component="section" aria-label="Parameters">
      <Stack gap="sm">
        <Textarea
          label="System prompt"
          placeholder="What the model should know or be"
          value={s.system}
          onChange={(e) => set({ system: e.currentTarget.value })}
          autosize
          minRows={1}
          maxRows={6}
        />
        <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="sm">
          <NumberInput
            label="Temperature"
            description="0: always the likeliest word"
            placeholder="the model's own"
            value={s.temperature}
            onChange={(v) => set({ temperature: number(v) })}
            min={0}
            max={2}
            step={0.1}
          />
          <NumberInput
            label="Most tokens"
            description="that it may write"
            placeholder="no limit"
            value={s.tokens}
            onChange={(v) => set({ tokens: number(v) })}
            min={1}
            max={1_000_000}
            allowDecimal={false}
          />
          <NumberInput
            label="Seed"
            description="the same one, the same answer"
            placeholder="by chance"
            value={s.seed}
            onChange={(v) => set({ seed: number(v) })}
            min={0}
            allowDecimal={false}
          />
          <Select
            label="Thinking"
            description="before it answers"
            data={[
              { value: '', label: "the model's own" },
              { value: 'on', label: 'on' },
              { value: 'off', label: 'off' },
            ]}
            value={s.think}
            onChange={(v) => set({ think: (v ?? '') as Settings['think'] })}
            allowDeselect={false}
          />
        </SimpleGrid>
        <Textarea
          label="Tools"
          description="A JSON list, as in the API; the model may ask for one to be called"
          placeholder='[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"location":{"type":"string"}}}}}]'
          value={s.tools}
          onChange={(e) => set({ tools: e.currentTarget.value })}
          error={s.tools.trim() && !toolsOf(s.tools) ? 'This is no JSON list of tools, so none are sent.' : undefined}
          autosize
          minRows={1}
          maxRows={8}
          ff="monospace"
        />
        <Group gap="lg">
          <Switch label="Answer in JSON" checked={s.json} onChange={(e) => set({ json: e.currentTarget.checked })} />
          <Switch label="Never from the cache" checked={s.fresh} onChange={(e) => set({ fresh: e.currentTarget.checked })} />
          <Button size="compact-sm" variant="default" onClick={() => conversation.set(noSettings)}>
            All to the model’s own
          </Button>
        </Group>
      </Stack>
    </Paper>
  )
}
