import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { Panel } from '#/ui/panel';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { larger, PARTS, type PolicyField, policyOf, type Typed, typedOf, wrong } from './parts';
import { policyQuery, savePolicy, type Tagged } from './queries';

/** The rules of signing in, part by part, saved together. */
export function PolicyForm({ policy }: { policy: Tagged }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  // Only what is typed: rules that come anew from the server show through everywhere else.
  const [edits, setEdits] = useState<Partial<Typed>>({});
  const save = useMutation({
    mutationFn: guard<Tagged, Tagged>(savePolicy),
    onSuccess: (saved) => {
      toast({ text: t('policy_page.saved') });
      client.setQueryData(policyQuery.queryKey, saved);
      setEdits({});
    },
  });
  const problem = save.error ? toProblem(save.error) : null;
  const before = typedOf(policy);
  const typed: Typed = { ...before, ...edits };
  const fields = PARTS.flatMap((part) => part.fields);
  const changed = fields.filter(({ name }) => typed[name] !== before[name]).length;
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(policyOf(policy, typed));
        }}
      >
        <div className="grid grid-cols-2 items-start gap-4 max-lg:grid-cols-1">
          {PARTS.map((part) => (
            <Panel key={part.id} title={t(`policy_part.${part.id}`)}>
              <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
                {part.fields.map((field) => (
                  <NumberField
                    key={field.name}
                    field={field}
                    text={typed[field.name]}
                    onChange={(text) => setEdits((old) => ({ ...old, [field.name]: text }))}
                  />
                ))}
              </div>
            </Panel>
          ))}
        </div>
        {problem && (
          <div className="flex flex-col items-start gap-2">
            <ErrorState compact error={problem} />
            {problem.slug === 'stale' && (
              <Button
                onPress={() => {
                  save.reset();
                  void client.invalidateQueries({ queryKey: policyQuery.queryKey, exact: true });
                }}
              >
                {t('policy_page.load_again')}
              </Button>
            )}
          </div>
        )}
        <div
          className={`flex flex-wrap items-center gap-3 py-3 ${changed > 0 ? 'sticky bottom-0 z-10 -mx-1 border-t border-line bg-canvas px-1' : ''}`}
        >
          <Button type="submit" look="primary" isPending={save.isPending} isDisabled={changed === 0}>
            {t('policy_page.save')}
          </Button>
          {changed > 0 && (
            <Button look="quiet" onPress={() => setEdits({})}>
              {t('policy_page.discard')}
            </Button>
          )}
          <p role="status" className="text-sm text-ink-2">
            {t('policy_page.changed', { count: changed })}
          </p>
        </div>
      </Form>
      {dialog}
    </>
  );
}

type NumberProps = { field: PolicyField; text: string; onChange: (text: string) => void };

function NumberField({ field, text, onChange }: NumberProps) {
  const t = useWords();
  const { name, least, most, unit } = field;
  const fault = wrong(field, text);
  const more = unit && larger(text, unit);
  const help = [t(`policy_help.${name}`), more && t(`policy_unit.${more.unit}`, { count: more.count })];
  return (
    <Field
      label={t(`policy_field.${name}`)}
      help={help.filter(Boolean).join(' ')}
      name={name}
      inputMode="numeric"
      value={text}
      onChange={(next) => onChange(next.replace(/\D/g, '').slice(0, 7))}
      validate={() =>
        fault === 'required'
          ? t('form.required')
          : fault === 'between'
            ? t('form.between', { least, most })
            : null
      }
    />
  );
}
