import { createFileRoute, Link } from '@tanstack/react-router';
import { Permitted } from '#/app/permitted';
import { AskForm } from '#/features/privacy/ask-form';
import { PersonPicker } from '#/features/privacy/person-picker';
import { PlanPanel } from '#/features/privacy/plan-panel';
import { UserName } from '#/features/users/user-name';
import { compact, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { EmptyState } from '#/ui/states';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/erasures/new')({
  validateSearch: (search): { contact?: string; user?: string } => ({
    contact: textParam(search.contact),
    user: textParam(search.user),
  }),
  component: NewErasurePage,
});

function NewErasurePage() {
  const t = useWords();
  const { contact = '', user } = Route.useSearch();
  const navigate = Route.useNavigate();
  return (
    <Permitted needs="privacy.manage" title={t('erasures.add')}>
      <Page
        title={t('erasures.add')}
        up={
          <Link to="/erasures" className={LINK}>
            {t('erasures.title')}
          </Link>
        }
      >
        <div className="grid grid-cols-[minmax(0,3fr)_minmax(300px,2fr)] items-start gap-4 max-lg:grid-cols-1">
          <Panel>
            <div className="flex flex-col gap-4">
              <p className="text-sm text-ink-2">{t(user ? 'erasures.user_text' : 'erasures.add_text')}</p>
              {user ? (
                <p className="flex flex-col gap-1 text-sm text-ink">
                  <span className="text-xs font-medium text-ink-2">{t('erasures.user')}</span>
                  <UserName id={user} />
                </p>
              ) : (
                <PersonPicker
                  value={contact}
                  onChange={(next) =>
                    void navigate({ search: compact({ contact: next }), replace: true, resetScroll: false })
                  }
                />
              )}
              <AskForm
                contact={contact}
                user={user}
                onAsked={(erasure) => {
                  toast({ text: t('erasures.is_asked') });
                  void navigate({ to: '/erasures/$id', params: { id: erasure.id } });
                }}
              >
                <Link to="/erasures" className={buttonLook('quiet')}>
                  {t('ui.cancel')}
                </Link>
              </AskForm>
            </div>
          </Panel>
          {contact === '' && !user ? (
            <Panel title={t('erasures.plan')} flush>
              <EmptyState title={t('erasures.plan_none')} text={t('erasures.plan_none_text')} />
            </Panel>
          ) : (
            <PlanPanel key={user ?? contact} contact={contact} user={user} />
          )}
        </div>
      </Page>
    </Permitted>
  );
}
