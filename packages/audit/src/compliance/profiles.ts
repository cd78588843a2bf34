import { type ComplianceProfile, parseProfile } from './profile.ts'

/** The acts of the log itself are its chain of custody and name nobody: they stay. */
const CUSTODY = {
  name: 'custody',
  actions: ['audit.*', 'erasure.*'],
  regions: 'all',
  leastDays: 0,
  mostDays: null,
  source: 'chain of custody; the acts name subjects only under the key that erasure destroys',
}
/** What shows that somebody was at a machine, or when. */
const SESSIONS = ['consent.used', 'consent.told']

/** Rules that come with Askee. They are a start for whoever answers for them, not legal advice. */
export const PROFILES: ReadonlyMap<string, ComplianceProfile> = new Map(
  [
    {
      id: 'gdpr',
      title: 'General Data Protection Regulation (EU) 2016/679',
      retention: [
        CUSTODY,
        {
          name: 'sessions-eu',
          actions: SESSIONS,
          regions: ['EU'],
          leastDays: 0,
          mostDays: 90,
          source: 'Art. 5(1)(e), storage limitation; the 90 days are ours',
        },
        {
          name: 'sessions',
          actions: SESSIONS,
          regions: 'all',
          leastDays: 0,
          mostDays: 365,
          source: 'Art. 5(1)(e); the year is ours',
        },
        {
          name: 'consents',
          actions: ['consent.*'],
          regions: 'all',
          leastDays: 365,
          mostDays: 1_095,
          source:
            'Art. 7(1): consent must be shown; the three years are ours, after usual limitation periods',
        },
        {
          name: 'other',
          actions: ['*'],
          regions: 'all',
          leastDays: 0,
          mostDays: 365,
          source: 'Art. 5(1)(e); the year is ours',
        },
      ],
      evidence: [
        {
          kind: 'before',
          name: 'consent-before-use',
          act: 'consent.used',
          needs: 'consent.granted',
          source: 'Art. 6(1)(a), Art. 7(1)',
        },
      ],
      erasure: { withinDays: 30, source: 'Art. 12(3): within one month' },
    },
    {
      id: 'hipaa',
      title: 'HIPAA Security Rule, 45 CFR part 164 subpart C',
      retention: [
        {
          name: 'documentation',
          actions: ['*'],
          regions: 'all',
          leastDays: 2_192,
          mostDays: null,
          source: '164.316(b)(2)(i): six years',
        },
      ],
      evidence: [
        {
          kind: 'before',
          name: 'authorization-before-use',
          act: 'consent.used',
          needs: 'consent.granted',
          source: '164.508(a)(1)',
        },
        {
          kind: 'every',
          name: 'review-of-activity',
          act: 'audit.verified',
          days: 90,
          source: '164.308(a)(1)(ii)(D): regular review of audit logs; the 90 days are ours',
        },
        { kind: 'cosigned', name: 'integrity', days: 30, source: '164.312(c)(1); the 30 days are ours' },
      ],
      erasure: null,
    },
    {
      id: 'soc2',
      title: 'SOC 2, AICPA Trust Services Criteria (2017)',
      retention: [
        {
          name: 'period-of-audit',
          actions: ['*'],
          regions: 'all',
          leastDays: 365,
          mostDays: null,
          source: 'the usual period of a type 2 report; the criteria name no figure',
        },
      ],
      evidence: [
        {
          kind: 'before',
          name: 'authorization-before-use',
          act: 'consent.used',
          needs: 'consent.granted',
          source: 'CC6.1, logical access',
        },
        {
          kind: 'every',
          name: 'evaluation',
          act: 'audit.verified',
          days: 30,
          source: 'CC4.1, ongoing evaluations; the 30 days are ours',
        },
        { kind: 'cosigned', name: 'integrity', days: 7, source: 'CC7.2, monitoring; the 7 days are ours' },
      ],
      erasure: null,
    },
  ].map((data) => [data.id, parseProfile(data)]),
)
