import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Schedule } from '#/api/types';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { Field } from '#/ui/field';
import { Select } from '#/ui/select';
import { ErrorState } from '#/ui/states';
import './words';

/** What a person says about a schedule. */
export type ScheduleInput = Pick<
  Schedule,
  | 'name'
  | 'connection_id'
  | 'stream'
  | 'cron'
  | 'time_zone'
  | 'gap'
  | 'repeat'
  | 'jitter_seconds'
  | 'overlap'
  | 'catch_up'
  | 'catch_up_limit'
  | 'paused'
  | 'paused_reason'
>;

type ScheduleFormProps = {
  /** What stands in the form at first. */
  schedule: ScheduleInput;
  /** What it may start; not given for one that exists, which keeps what it starts. */
  target?: {
    connections: readonly { id: string; name: string }[];
    /** The streams of the chosen connection. */
    streams: readonly string[];
    onConnection: (id: string) => void;
  };
  save: (input: ScheduleInput) => Promise<Schedule>;
  submit: string;
  /** Without, it shows how things are. */
  mayEdit: boolean;
};

const PRESETS = [
  { word: 'cron.every_5', cron: '*/5 * * * *' },
  { word: 'cron.every_15', cron: '*/15 * * * *' },
  { word: 'cron.hourly', cron: '0 * * * *' },
  { word: 'cron.daily', cron: '0 6 * * *' },
  { word: 'cron.weekdays', cron: '0 6 * * 1-5' },
] as const;
const CUSTOM = 'custom';
const OVERLAPS = ['skip', 'queue', 'cancel_previous'] as const;
const CATCH_UPS = ['none', 'one', 'all'] as const;
const GAPS = ['run_after', 'skip'] as const;
const REPEATS = ['once', 'twice'] as const;

export function ScheduleForm({ schedule, target, save, submit, mayEdit }: ScheduleFormProps) {
  const t = useWords();
  const [input, setInput] = useState(schedule);
  const set = (change: Partial<ScheduleInput>) => setInput((old) => ({ ...old, ...change }));
  const entry = useMutation({ mutationFn: save });
  const problem = entry.error ? toProblem(entry.error) : null;
  const zones = useZones(input.time_zone);
  const preset = PRESETS.find((one) => one.cron === input.cron)?.cron ?? CUSTOM;
  return (
    <Form
      className="flex flex-col gap-4"
      validationErrors={problem?.byField()}
      onSubmit={(event) => {
        event.preventDefault();
        entry.mutate(input);
      }}
    >
      <Field
        label={t('schedules.name')}
        name="name"
        value={input.name}
        onChange={(name) => set({ name })}
        isRequired
        isDisabled={!mayEdit}
      />
      <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
        {target && (
          <>
            <Select
              label={t('schedules.connection')}
              name="connection_id"
              value={input.connection_id ?? null}
              onChange={(id) => {
                set({ connection_id: id, stream: null });
                target.onConnection(id);
              }}
              choices={target.connections.map((one) => ({ value: one.id, label: one.name }))}
              isRequired
              isDisabled={!mayEdit}
            />
            <Select
              label={t('schedules.stream')}
              name="stream"
              value={input.stream ?? null}
              onChange={(stream) => set({ stream })}
              choices={target.streams.map((stream) => ({ value: stream, label: stream }))}
              isDisabled={!mayEdit || target.streams.length === 0}
              isRequired
            />
          </>
        )}
        <Select
          label={t('schedules.how_often')}
          value={preset}
          onChange={(cron) => cron !== CUSTOM && set({ cron })}
          choices={[
            ...PRESETS.map(({ word, cron }) => ({ value: cron, label: t(word) })),
            { value: CUSTOM, label: t('cron.custom') },
          ]}
          isDisabled={!mayEdit}
        />
        <Field
          label={t('schedules.cron')}
          help={t('schedules.cron_help')}
          name="cron"
          mono
          value={input.cron}
          onChange={(cron) => set({ cron })}
          isRequired
          isDisabled={!mayEdit}
        />
        <Select
          label={t('schedules.zone')}
          name="time_zone"
          value={input.time_zone}
          onChange={(time_zone) => set({ time_zone })}
          choices={zones.map((zone) => ({ value: zone, label: zone }))}
          isRequired
          isDisabled={!mayEdit}
        />
      </div>
      <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
        <Select
          label={t('schedules.overlap')}
          help={t(`overlap_help.${input.overlap}`)}
          name="overlap"
          value={input.overlap}
          onChange={(value) => set({ overlap: oneOf(OVERLAPS, value) })}
          choices={OVERLAPS.map((value) => ({ value, label: t(`overlap.${value}`) }))}
          isDisabled={!mayEdit}
        />
        <Select
          label={t('schedules.catch_up')}
          help={t(`catch_up_help.${input.catch_up}`)}
          name="catch_up"
          value={input.catch_up}
          onChange={(value) => set({ catch_up: oneOf(CATCH_UPS, value) })}
          choices={CATCH_UPS.map((value) => ({ value, label: t(`catch_up.${value}`) }))}
          isDisabled={!mayEdit}
        />
        <Field
          label={t('schedules.jitter')}
          help={t('schedules.jitter_help')}
          name="jitter_seconds"
          inputMode="numeric"
          value={String(input.jitter_seconds)}
          onChange={(text) => set({ jitter_seconds: wholeNumber(text) })}
          isDisabled={!mayEdit}
        />
        {input.catch_up === 'all' && (
          <Field
            label={t('schedules.catch_up_limit')}
            name="catch_up_limit"
            inputMode="numeric"
            value={String(input.catch_up_limit)}
            onChange={(text) => set({ catch_up_limit: wholeNumber(text) })}
            isDisabled={!mayEdit}
          />
        )}
      </div>
      <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
        <Select
          label={t('schedules.gap')}
          value={input.gap}
          onChange={(value) => set({ gap: oneOf(GAPS, value) })}
          choices={GAPS.map((value) => ({ value, label: t(`gap.${value}`) }))}
          isDisabled={!mayEdit}
        />
        <Select
          label={t('schedules.repeat')}
          value={input.repeat}
          onChange={(value) => set({ repeat: oneOf(REPEATS, value) })}
          choices={REPEATS.map((value) => ({ value, label: t(`repeat.${value}`) }))}
          isDisabled={!mayEdit}
        />
      </div>
      <CheckBox
        label={t('schedules.pause')}
        value={input.paused}
        onChange={(paused) => set({ paused, paused_reason: null })}
        isDisabled={!mayEdit}
      />
      {input.paused && (
        <Field
          label={t('schedules.pause_reason')}
          help={t('schedules.pause_reason_help')}
          name="paused_reason"
          value={input.paused_reason ?? ''}
          onChange={(reason) => set({ paused_reason: reason === '' ? null : reason })}
          isDisabled={!mayEdit}
        />
      )}
      {problem && <ErrorState compact error={problem} />}
      {mayEdit && (
        <div>
          <Button type="submit" look="primary" isPending={entry.isPending}>
            {submit}
          </Button>
        </div>
      )}
    </Form>
  );
}

/** The choice that a list gave back as a text. */
function oneOf<T extends string>(choices: readonly [T, ...T[]], value: string): T {
  return choices.find((choice) => choice === value) ?? choices[0];
}

/** What is left of a text when all but its digits are; the server says what is too much. */
function wholeNumber(text: string): number {
  return Math.min(Number(text.replace(/\D/g, '')), 65_535);
}

/** Every zone the browser knows, and the schedule's own in case it does not. */
function useZones(own: string): string[] {
  const [zones] = useState(() => Intl.supportedValuesOf('timeZone'));
  return [...new Set([own, 'UTC', ...zones])];
}
