import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { FactorRules } from '#/api/types';
import { ROLES, useAccessWords } from '#/features/access/permissions';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { Select } from '#/ui/select';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { type FactorRule, factorRulesQuery, saveFactorRules } from './queries';

const GRACES = [0, 1, 3, 7, 14, 30, 60, 90] as const;
/** A new rule leaves people this long. */
const USUAL = 7;

/** Which roles must have a second factor, and how long their people have to set one up. */
export function FactorRulesPanel() {
  const t = useWords();
  const query = useQuery(factorRulesQuery);
  return (
    <Panel title={t('factor_rules.title')}>
      <QueryView query={query} loading={t('factor_rules.loading')} skeletonRows={5}>
        {(rules) => <RulesForm rules={rules} />}
      </QueryView>
    </Panel>
  );
}

function RulesForm({ rules }: { rules: FactorRules }) {
  const t = useWords();
  const words = useAccessWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const before = rules.required.map(({ role, grace_days }): FactorRule => ({ role, grace_days }));
  const [edited, setWanted] = useState<FactorRule[] | null>(null);
  const wanted = edited ?? before;
  const save = useMutation({
    mutationFn: guard<FactorRule[], FactorRules>(saveFactorRules),
    onSuccess: (saved) => {
      toast({ text: t('factor_rules.saved') });
      client.setQueryData(factorRulesQuery.queryKey, saved);
      setWanted(null);
      void client.invalidateQueries({ queryKey: ['session'] });
    },
  });
  const same = (one: FactorRule[]) => JSON.stringify(one.toSorted((a, b) => a.role.localeCompare(b.role)));
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(wanted);
        }}
      >
        <p className="max-w-prose text-sm text-ink-2">{t('factor_rules.text')}</p>
        <ul className="grid grid-cols-2 gap-x-8 max-lg:grid-cols-1">
          {ROLES.map((role) => {
            const rule = wanted.find((one) => one.role === role);
            const others = wanted.filter((one) => one.role !== role);
            return (
              <li
                key={role}
                className="flex min-h-11 flex-wrap items-center justify-between gap-x-4 gap-y-1 border-b border-line py-1"
              >
                <CheckBox
                  label={words.role(role)}
                  value={rule !== undefined}
                  onChange={(on) => setWanted(on ? [...others, { role, grace_days: USUAL }] : others)}
                />
                {rule && (
                  <Select
                    inline
                    label={t('factor_rules.grace')}
                    value={String(rule.grace_days)}
                    onChange={(days) => setWanted([...others, { role, grace_days: Number(days) }])}
                    choices={graces(rule.grace_days).map((days) => ({
                      value: String(days),
                      label: t('factor_rules.days', { count: days }),
                    }))}
                  />
                )}
              </li>
            );
          })}
        </ul>
        {save.error && <ErrorState compact error={toProblem(save.error)} />}
        <div>
          <Button
            type="submit"
            look="primary"
            isPending={save.isPending}
            isDisabled={same(wanted) === same(before)}
          >
            {t('factor_rules.save')}
          </Button>
        </div>
      </Form>
      {dialog}
    </>
  );
}

/** Those to choose from, with the one that is set. */
function graces(set: number): number[] {
  return [...new Set([...GRACES, set])].sort((one, other) => one - other);
}
