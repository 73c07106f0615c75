import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { SignInPolicy } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { useMay } from '#/features/session/queries';
import { usersQuery } from '#/features/users/queries';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { saveSignInPolicy, signInPolicyQuery, type TaggedPolicy } from './queries';

/** Whether only providers let people in, and who gets in when they do not work. */
export function PolicyPanel() {
  const t = useWords();
  const query = useQuery(signInPolicyQuery);
  return (
    <Panel title={t('sign_in_policy.title')}>
      <QueryView query={query} loading={t('sign_in_policy.loading')} skeletonRows={3}>
        {(policy) => <PolicyForm policy={policy} />}
      </QueryView>
    </Panel>
  );
}

function PolicyForm({ policy }: { policy: TaggedPolicy }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [edits, setEdits] = useState<Partial<SignInPolicy>>({});
  const { sso_only, fallback_admins } = { ...policy, ...edits };
  const save = useMutation({
    mutationFn: guard<TaggedPolicy, TaggedPolicy>(saveSignInPolicy),
    onSuccess: (saved) => {
      toast({ text: t('sign_in_policy.saved') });
      setEdits({});
      client.setQueryData(signInPolicyQuery.queryKey, saved);
    },
  });
  const problem = save.error ? toProblem(save.error) : null;
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate({ sso_only, fallback_admins, etag: policy.etag });
        }}
      >
        <div className="flex flex-col gap-1">
          <CheckBox
            label={t('sign_in_policy.sso_only')}
            value={sso_only}
            onChange={(sso_only) => setEdits((old) => ({ ...old, sso_only }))}
          />
          <p className="max-w-prose text-xs text-ink-3">{t('sign_in_policy.sso_only_help')}</p>
        </div>
        <FallbackAdmins
          chosen={fallback_admins}
          onChange={(fallback_admins) => setEdits((old) => ({ ...old, fallback_admins }))}
        />
        {problem && (
          <div className="flex flex-col items-start gap-2">
            <ErrorState compact error={problem} title={t('sign_in_policy.refused')} />
            {problem.slug === 'stale' && (
              <Button
                onPress={() => {
                  save.reset();
                  void client.invalidateQueries({ queryKey: signInPolicyQuery.queryKey });
                }}
              >
                {t('organisation.load_again')}
              </Button>
            )}
          </div>
        )}
        <div>
          <Button
            type="submit"
            look="primary"
            isPending={save.isPending}
            isDisabled={Object.keys(edits).length === 0}
          >
            {t('sign_in_policy.save')}
          </Button>
        </div>
      </Form>
      {dialog}
    </>
  );
}

type AdminsProps = { chosen: readonly string[]; onChange: (chosen: string[]) => void };

function FallbackAdmins({ chosen, onChange }: AdminsProps) {
  const t = useWords();
  const may = useMay();
  const query = useInfiniteQuery({
    ...usersQuery({ role: 'admin', state: 'active' }),
    enabled: may('users.read'),
  });
  const admins = query.data?.pages.flatMap((page) => page.items) ?? [];
  // Who is named and no admin any more stays in sight: the server refuses them, and they can be taken away.
  const others = chosen.filter((id) => !admins.some((admin) => admin.id === id));
  const people = [
    ...admins.map((admin) => ({ id: admin.id, label: admin.name, help: admin.email })),
    ...others.map((id) => ({ id, label: id, help: undefined })),
  ];
  return (
    <div role="group" aria-label={t('sign_in_policy.fallback')} className="flex flex-col gap-1">
      <span aria-hidden className="text-xs font-medium text-ink-2">
        {t('sign_in_policy.fallback')}
      </span>
      <p className="max-w-prose text-xs text-ink-3">{t('sign_in_policy.fallback_help')}</p>
      {query.error && <ErrorState compact error={query.error} onRetry={() => void query.refetch()} />}
      {people.length > 0 && (
        <div className="grid grid-cols-2 gap-x-4 rounded-control border border-line px-3 py-1.5 max-md:grid-cols-1">
          {people.map(({ id, label, help }) => (
            <CheckBox
              key={id}
              label={label}
              help={help}
              value={chosen.includes(id)}
              onChange={(on) => onChange(on ? [...chosen, id] : chosen.filter((one) => one !== id))}
            />
          ))}
        </div>
      )}
      {query.hasNextPage && (
        <div>
          <Button size="small" look="quiet" onPress={() => void query.fetchNextPage()}>
            {t('ui.load_more')}
          </Button>
        </div>
      )}
    </div>
  );
}
